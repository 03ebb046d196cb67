/** Quantize and dequantize: per tensor, per channel, per row. */
import { chooseParams, createBytelane, dequantize, minMax, quantize, quantizeRows } from "bytelane";
import { quantizationError } from "bytelane/calibration";

const instance = await createBytelane();
// two output channels of very different size
const x = Float32Array.of(0.1, -0.2, 0.05, 40, -80, 20);
const shape = [2, 3];

const one = chooseParams(minMax(instance, x));
const perTensor = quantize(instance, x, one);

const many = chooseParams(minMax(instance, x, { shape, axis: 0 }), { axis: 0 });
const perChannel = quantize(instance, x, many, { shape });

const rows = quantizeRows(instance, x, { shape });

console.log("one scale     ", [...perTensor]);
console.log("scale per row ", [...perChannel], "scales", [...many.scale]);
console.log("back          ", [...dequantize(instance, perChannel, many, { shape })]);
console.log("quantizeRows  ", [...rows.values]);

const report = quantizationError(instance, x, perTensor, one);
console.log(`one scale loses ${report.maxError.toFixed(3)} at most, ${report.sqnr.toFixed(1)} dB`);
instance.dispose();
