/** Shows progress and the remaining time on stderr, if it is a terminal. */
import { Presets, SingleBar } from "cli-progress";

/** A bar per stage of the work. */
export class Progress {
  readonly #stream: NodeJS.WriteStream;
  #bar: SingleBar | undefined;
  #stage = "";

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  update(stage: string, done: number, total: number): void {
    if (!this.#stream.isTTY) return;
    if (stage !== this.#stage) {
      this.stop();
      this.#stage = stage;
      this.#bar = new SingleBar(
        {
          format: `${stage.padEnd(10)} {bar} {percentage} %, {eta_formatted} left`,
          stream: this.#stream,
          hideCursor: true,
          etaBuffer: 50,
        },
        Presets.shades_classic,
      );
      this.#bar.start(total, 0);
    }
    this.#bar?.update(done);
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
    this.#stage = "";
  }
}
