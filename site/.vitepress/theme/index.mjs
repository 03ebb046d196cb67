/** The default theme with the playgrounds, each loaded where its page is opened. */
import DefaultTheme from "vitepress/theme";
import { defineAsyncComponent } from "vue";
import "./style.css";

const PLAYS = {
  CalibratePlay: () => import("./play/CalibratePlay.vue"),
  SearchPlay: () => import("./play/SearchPlay.vue"),
  ReadPlay: () => import("./play/ReadPlay.vue"),
  MachinePlay: () => import("./play/MachinePlay.vue"),
};

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    for (const [name, load] of Object.entries(PLAYS)) {
      app.component(name, defineAsyncComponent(load));
    }
  },
};
