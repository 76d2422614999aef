/** DICOM files changed byte by byte, for tests of what they must not do. */

/** A DICOM file of one JPEG fragment, with Exif data in it that states this orientation (Exif 2.32, 4.7.2 and tag 0x0112). */
export function withExif(file: Buffer, orientation: number): Buffer {
  const start = file.indexOf(Buffer.from([0xff, 0xd8, 0xff]), 132);
  const tiff = [0x49, 0x49, 0x2a, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0];
  const exif = Buffer.from([0xff, 0xe1, 0, 8 + tiff.length, ...Buffer.from('Exif\0\0'), ...tiff]);
  const whole = Buffer.concat([file.subarray(0, start + 2), exif, file.subarray(start + 2)]);
  // The length of the fragment, which lies before it.
  whole.writeUInt32LE(file.readUInt32LE(start - 4) + exif.length, start - 4);
  return whole;
}
