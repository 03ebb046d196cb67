/** A layer of 4-bit weights, saved into a safetensors file and loaded again. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createBytelane, createLinear, linear } from "bytelane";
import { loadLayers, saveLayers } from "bytelane/formats";

const instance = await createBytelane();
const shape = [256, 64]; // [in, out]; PyTorch's [out, in] is orientation: "out-in"
const weights = Float32Array.from({ length: 256 * 64 }, (_, i) => Math.sin(i));
const layer = createLinear(instance, { weights, shape, format: "int4", blockSize: 32 });

mkdirSync("build", { recursive: true });
writeFileSync("build/layer.safetensors", saveLayers(instance, { "encoder.0": layer }));

const { layers } = loadLayers(instance, readFileSync("build/layer.safetensors"));
const loaded = layers.get("encoder.0");

const x = Float32Array.from({ length: 256 }, (_, i) => Math.cos(i));
const same = linear(layer, x).every((value, i) => value === linear(loaded, x)[i]);
console.log(`${weights.byteLength} bytes are ${layer.byteLength}; loaded alike: ${same}`);
instance.dispose();
