/** DICOM's own ways of storing pixels: run lengths, planes, luminance with color differences, inverted gray. */

export interface FrameLayout {
  readonly width: number;
  readonly height: number;
  /** 1 or 3 */
  readonly samples: number;
  /** Whether colors lie plane after plane. */
  readonly planar: boolean;
  /** DICOM's name of the color model, PS3.3 C.7.6.3.1.2. */
  readonly photometric: string;
}

/**
 * Unpacks an RLE frame (DICOM PS3.5 annex G): a header of sixteen numbers, then one run of PackBits for each plane.
 *
 * @returns the planes one after the other.
 * @throws Error where the header contradicts the layout or a segment is too short.
 */
export function unpackRle(encoded: Uint8Array, { width, height, samples }: FrameLayout): Uint8Array {
  if (encoded.length < 64) throw new Error('its RLE header is cut short');
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const segments = view.getUint32(0, true);
  if (segments !== samples) throw new Error(`its RLE header states ${segments} segments, ${samples} are needed`);
  const plane = width * height;
  const starts = Array.from({ length: segments + 1 }, (_, index) =>
    index === segments ? encoded.length : view.getUint32(4 + 4 * index, true),
  );
  if (starts.some((start, index) => start < 64 || start > encoded.length || start < (starts[index - 1] ?? 0))) {
    throw new Error('its RLE header points outside of the frame');
  }
  // PackBits makes at most 128 bytes of two: what cannot fill the planes is refused before they are allocated.
  if (64 * encoded.length < plane) throw new Error('its RLE segments are cut short');
  const planes = new Uint8Array(plane * samples);
  for (let segment = 0; segment < segments; segment++) {
    unpackBits(
      encoded.subarray(starts[segment], starts[segment + 1]),
      planes.subarray(segment * plane, (segment + 1) * plane),
    );
  }
  return planes;
}

function unpackBits(packed: Uint8Array, into: Uint8Array): void {
  let to = 0;
  for (let from = 0; to < into.length; ) {
    if (from + 1 >= packed.length) throw new Error('its RLE segments are cut short');
    const code = (packed[from++] << 24) >> 24;
    if (code === -128) continue;
    if (code < 0) {
      into.fill(packed[from++], to, to + 1 - code);
      to += 1 - code;
    } else {
      into.set(packed.subarray(from, from + Math.min(code + 1, into.length - to)), to);
      from += code + 1;
      to += code + 1;
    }
  }
}

/** Any layout as gray or RGB, pixel after pixel. */
export function interleaved(
  source: Uint8Array,
  { width, height, samples, planar, photometric }: FrameLayout,
): Uint8Array {
  if (samples === 1) return photometric === 'MONOCHROME1' ? source.map((value) => 255 - value) : source;
  const plane = width * height;
  const [step, apart] = planar ? [1, plane] : [3, 1];
  const luminance = photometric !== 'RGB';
  if (!luminance && !planar) return source;
  const rgb = new Uint8ClampedArray(3 * plane);
  for (let pixel = 0, at = 0; pixel < plane; pixel++, at += step) {
    const [a, b, c] = [source[at], source[at + apart], source[at + 2 * apart]];
    // ITU-R BT.601 at full range, as JPEG has it.
    rgb[3 * pixel] = luminance ? a + 1.402 * (c - 128) : a;
    rgb[3 * pixel + 1] = luminance ? a - 0.344136 * (b - 128) - 0.714136 * (c - 128) : b;
    rgb[3 * pixel + 2] = luminance ? a + 1.772 * (b - 128) : c;
  }
  return new Uint8Array(rgb.buffer);
}
