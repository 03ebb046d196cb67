/** Calibration: observers of what goes into layers. */
import { createObserver } from "bytelane/calibration";

/** Observers of the inputs of layers, by name: their means correct the biases. */
export function createMeans(instance) {
  const observers = new Map();
  return {
    observe(name, x, features) {
      const observer =
        observers.get(name) ?? createObserver(instance, { method: "minmax", features });
      observers.set(name, observer.observe(x));
    },
    of: (name) => observers.get(name),
  };
}
