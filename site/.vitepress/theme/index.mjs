/** The default theme with the playgrounds, each loaded where its page is opened. */
import DefaultTheme from "vitepress/theme";
import { defineAsyncComponent } from "vue";
import { startWorker } from "./play/work.mjs";
import "./style.css";

const PLAYS = {
  CalibratePlay: { worker: "calibrate", load: () => import("./play/CalibratePlay.vue") },
  SearchPlay: { worker: "search", load: () => import("./play/SearchPlay.vue") },
  ReadPlay: { worker: "read", load: () => import("./play/ReadPlay.vue") },
  MachinePlay: { worker: "machine", load: () => import("./play/MachinePlay.vue") },
};

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    for (const [name, { worker, load }] of Object.entries(PLAYS)) {
      const start = () => {
        startWorker(worker);
        return load();
      };
      app.component(name, defineAsyncComponent(start));
    }
  },
};
