/** Finds one frame's bytes in the pixel data of a parsed DICOM file. */
import type DicomParser from 'dicom-parser';
import type { FrameLayout } from './dicomPixels.ts';

/** The bytes of a compressed frame. @param frame from 1. @throws Error with the reason where frames cannot be told apart. */
export function encapsulated(
  parser: typeof DicomParser,
  data: DicomParser.DataSet,
  pixels: DicomParser.Element,
  frame: number,
  frames: number,
): Uint8Array {
  const { fragments = [], basicOffsetTable = [] } = pixels;
  if (!pixels.encapsulatedPixelData || fragments.length === 0)
    throw new Error('it states a compression and holds none');
  const listed = basicOffsetTable.length;
  if (listed > 0 && listed !== frames) throw new Error(`its offset table lists ${listed} frames, not ${frames}`);
  if (basicOffsetTable.some((offset, index) => (index === 0 ? offset !== 0 : offset <= basicOffsetTable[index - 1]))) {
    throw new Error('its offset table does not list the frames in their order');
  }
  if (frames === 1) {
    const starts = fragments.filter(({ position, length }) => isJpegStart(data.byteArray, position, length)).length;
    if (starts > 1) throw new Error(`it states 1 frame and holds ${starts} JPEGs`);
    return Uint8Array.from(parser.readEncapsulatedPixelDataFromFragments(data, pixels, 0, fragments.length));
  }
  if (listed > 0) {
    return Uint8Array.from(parser.readEncapsulatedImageFrame(data, pixels, frame - 1));
  }
  if (fragments.length === frames) {
    return Uint8Array.from(parser.readEncapsulatedPixelDataFromFragments(data, pixels, frame - 1));
  }
  const table = parser.createJPEGBasicOffsetTable(data, pixels);
  if (table.length !== frames) throw new Error(`${fragments.length} pieces cannot be told apart as ${frames} frames`);
  return Uint8Array.from(parser.readEncapsulatedImageFrame(data, pixels, frame - 1, table));
}

const isJpegStart = (bytes: Uint8Array, at: number, length: number): boolean =>
  length > 2 && bytes[at] === 0xff && bytes[at + 1] === 0xd8 && bytes[at + 2] === 0xff;

/** The bytes of an uncompressed frame. @param frame from 1. @throws Error with the reason where they cannot be told. */
export function rawFrame(
  data: DicomParser.DataSet,
  pixels: DicomParser.Element,
  layout: FrameLayout,
  frame: number,
): Uint8Array {
  if (layout.photometric === 'YBR_FULL_422') throw new Error('YBR_FULL_422 is read within JPEG alone');
  const size = layout.width * layout.height * layout.samples;
  const start = pixels.dataOffset + size * (frame - 1);
  return new Uint8Array(data.byteArray.subarray(start, start + size));
}
