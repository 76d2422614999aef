/**
 * 8-bit RGB to CIE L*a*b* and back (sRGB, D65) in OpenCV's fixed-point arithmetic: what `cvtColor` gives.
 * COLOR_Lab2RGB is met for every color; COLOR_RGB2Lab but for one in 10,000, where a channel is one level off (OpenCV approximates cube roots).
 */

const WHITE = [0.950456, 1, 1.088754] as const;
const RGB_TO_XYZ = [0.412453, 0.35758, 0.180423, 0.212671, 0.71516, 0.072169, 0.019334, 0.119193, 0.950227] as const;
const XYZ_TO_RGB = [
  3.240479, -1.53715, -0.498535, -0.969256, 1.875991, 0.041556, 0.055648, -0.204043, 1.057311,
] as const;

/** Weights have 12 bits, linear light 3 more than its byte, L*a*b*'s functions 15, their inverses 14. */
const WEIGHT_BITS = 12;
const LIGHT_BITS = 3;
const FUNCTION_BITS = WEIGHT_BITS + LIGHT_BITS;
const INVERSE_ONE = 1 << 14;
const INVERSE_LIGHT = 1 << 12;
const LEAST_INVERSE = -8145;

const toLinear = (value: number): number => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const fromLinear = (value: number): number => (value <= 0.0031308 ? value * 12.92 : 1.055 * value ** (1 / 2.4) - 0.055);
const cubeRoot = (value: number): number => (value < 216 / 24389 ? (value * 841) / 108 + 16 / 116 : Math.cbrt(value));
const scaleDown = (value: number, bits: number): number => (value + (1 << (bits - 1))) >> bits;
const toByte = (value: number): number => (value < 0 ? 0 : value > 255 ? 255 : value);

const LINEAR = Int32Array.from({ length: 256 }, (_, byte) =>
  Math.round(255 * (1 << LIGHT_BITS) * toLinear(byte / 255)),
);
const ROOT = Int32Array.from({ length: (256 * 3 * (1 << LIGHT_BITS)) / 2 }, (_, light) =>
  Math.round((1 << FUNCTION_BITS) * cubeRoot(light / (255 * (1 << LIGHT_BITS)))),
);
const TO_XYZ = RGB_TO_XYZ.map((weight, index) =>
  Math.round(((1 << WEIGHT_BITS) * weight) / WHITE[Math.floor(index / 3)]),
);
const TO_RGB = XYZ_TO_RGB.map((weight, index) => Math.round((1 << WEIGHT_BITS) * weight * WHITE[index % 3]));

/** Of each L: Y, and its function, both of 14 bits. */
const LIGHTNESS = Array.from({ length: 256 }, (_, byte) => {
  const lightness = (byte * 100) / 255;
  const dark = lightness <= 8;
  const f = dark ? (841 / 108) * (lightness / (24389 / 27)) + 16 / 116 : (lightness + 16) / 116;
  const y = dark ? lightness / (24389 / 27) : f ** 3;
  return { y: Math.round(y * INVERSE_ONE), f: Math.round(f * INVERSE_ONE) };
});
/** X or Z of its function, from LEAST_INVERSE on. */
const CUBED = Int32Array.from({ length: (INVERSE_ONE * 9) / 4 }, (_, index) => {
  const f = index + LEAST_INVERSE;
  return f <= 3390
    ? Math.trunc((f * 108) / 841) - Math.trunc((((INVERSE_ONE * 16) / 116) * 108) / 841)
    : Math.trunc((Math.trunc((f * f) / INVERSE_ONE) * f) / INVERSE_ONE);
});
const BYTE = Uint8Array.from({ length: INVERSE_LIGHT }, (_, light) =>
  Math.round(255 * fromLinear(light / INVERSE_LIGHT)),
);

/** RGB bytes, three per pixel, to L*a*b* bytes: L scaled to 255, a and b around 128. */
export function rgbToLab(rgb: Uint8Array): Uint8Array {
  const lab = new Uint8Array(rgb.length);
  const scale = Math.trunc((116 * 255 + 50) / 100);
  const shift = -Math.trunc((16 * 255 * (1 << FUNCTION_BITS) + 50) / 100);
  const middle = 128 << FUNCTION_BITS;
  const root = (row: number, red: number, green: number, blue: number): number =>
    ROOT[scaleDown(red * TO_XYZ[row] + green * TO_XYZ[row + 1] + blue * TO_XYZ[row + 2], WEIGHT_BITS)];
  for (let at = 0; at < rgb.length; at += 3) {
    const [red, green, blue] = [LINEAR[rgb[at]], LINEAR[rgb[at + 1]], LINEAR[rgb[at + 2]]];
    const [x, y, z] = [root(0, red, green, blue), root(3, red, green, blue), root(6, red, green, blue)];
    lab[at] = toByte(scaleDown(scale * y + shift, FUNCTION_BITS));
    lab[at + 1] = toByte(scaleDown(500 * (x - y) + middle, FUNCTION_BITS));
    lab[at + 2] = toByte(scaleDown(200 * (y - z) + middle, FUNCTION_BITS));
  }
  return lab;
}

/** The inverse of {@link rgbToLab}; colors that RGB does not have are cut off. */
export function labToRgb(lab: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(lab.length);
  const bits = WEIGHT_BITS + 14 - 12;
  for (let at = 0; at < lab.length; at += 3) {
    const { y, f } = LIGHTNESS[lab[at]];
    const a = ((5 * lab[at + 1] * 53687 + (1 << 7)) >> 13) - Math.trunc((128 * INVERSE_ONE) / 500);
    const b = ((lab[at + 2] * 41943 + (1 << 4)) >> 9) - Math.trunc((128 * INVERSE_ONE) / 200) + 1;
    const x = CUBED[f + a - LEAST_INVERSE];
    const z = CUBED[f - b - LEAST_INVERSE];
    for (let channel = 0; channel < 3; channel++) {
      const row = 3 * channel;
      const light = scaleDown(TO_RGB[row] * x + TO_RGB[row + 1] * y + TO_RGB[row + 2] * z, bits);
      rgb[at + channel] = BYTE[Math.min(INVERSE_LIGHT - 1, Math.max(0, light))];
    }
  }
  return rgb;
}
