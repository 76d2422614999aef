// Philox4x32-10, counter-based: element `index` of stream `stream` under `seed` has the same uniform number on every
// adapter and in src/engine/tensor/random.ts. WGSL has no 64-bit product: the high word is built from 16-bit halves.

fn multiplyHigh(a: u32, b: u32) -> u32 {
  let aLow = a & 0xffffu;
  let aHigh = a >> 16u;
  let bLow = b & 0xffffu;
  let bHigh = b >> 16u;
  let middle1 = aHigh * bLow + ((aLow * bLow) >> 16u);
  let middle2 = aLow * bHigh + (middle1 & 0xffffu);
  return aHigh * bHigh + (middle1 >> 16u) + (middle2 >> 16u);
}

fn philox(counter: vec4u, key: vec2u) -> vec4u {
  var c = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    let high0 = multiplyHigh(0xd2511f53u, c.x);
    let low0 = 0xd2511f53u * c.x;
    let high1 = multiplyHigh(0xcd9e8d57u, c.z);
    let low1 = 0xcd9e8d57u * c.z;
    c = vec4u(high1 ^ c.y ^ k.x, low1, high0 ^ c.w ^ k.y, low0);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

// Four uniform numbers in [0, 1): those of elements 4 * block .. 4 * block + 3.
fn randomUniform4(seed: u32, stream: u32, block: u32) -> vec4f {
  let words = philox(vec4u(block, 0u, stream, 0u), vec2u(seed, 0x676d746cu));
  return vec4f(words >> vec4u(8u)) * 5.9604644775390625e-8;
}

fn randomUniform(seed: u32, stream: u32, index: u32) -> f32 {
  return randomUniform4(seed, stream, index >> 2u)[index & 3u];
}
