/** Decodes photographs with the browser's own decoder, to the bytes that Node's gives. */
import { GmtlError, isOutOfMemory } from '../../src/engine/errors.ts';
import { type DecodedImage, toRgb, turned } from '../../src/retina/data/pictures/decoded.ts';
import { isDicom } from '../../src/retina/data/pictures/dicomFile.ts';
import { type EncodedPicture, readEncoded } from './encodedPicture.ts';

/**
 * A photograph as 8-bit RGB, as it is shown: turned as its EXIF orientation says, a color profile applied, transparent parts on black.
 *
 * DICOM files are read as in Node: their first frame.
 *
 * @throws GmtlError `data/image-unreadable` for what the browser cannot decode, and for CMYK, whose colors browsers guess.
 */
export async function decodePicture(file: Blob, name: string): Promise<DecodedImage> {
  const bytes = new Uint8Array(
    await file.arrayBuffer().catch((cause: unknown) => {
      const why = `${name} cannot be read: it is a folder, or was moved or changed since it was chosen. Choose the file again.`;
      throw new GmtlError('data/image-unreadable', why, { cause });
    }),
  );
  if (isDicom(bytes)) {
    // Fetched with the first such file alone.
    const { decodeDicom } = await import('./decodeDicom.ts');
    return decodeDicom(bytes, name, (jpeg) => decode(readEncoded(jpeg)));
  }
  const picture = readEncoded(bytes);
  if (picture.components === 4) {
    throw new GmtlError(
      'data/image-unreadable',
      `${name} is a CMYK picture, made for printing: browsers guess its colors. Save it as RGB.`,
    );
  }
  try {
    return await decode(picture);
  } catch (cause) {
    if (isOutOfMemory(cause)) throw cause;
    throw new GmtlError(
      'data/image-unreadable',
      `${name} cannot be decoded: it is damaged, of a kind that browsers do not know, or larger than this browser decodes. Give a JPEG, PNG or DICOM file.`,
      { cause },
    );
  }
}

async function decode({ bytes, kind, hasProfile, orientation }: EncodedPicture): Promise<DecodedImage> {
  const bitmap = await createImageBitmap(new Blob([bytes as Uint8Array<ArrayBuffer>]), {
    // Only a profile changes colors: PNG's gamma does not, as in Node.
    colorSpaceConversion: hasProfile ? 'default' : 'none',
    premultiplyAlpha: 'none',
  });
  try {
    const { width, height } = bitmap;
    const rgba = kind === 'jpeg' ? readOpaque(bitmap) : readWithAlpha(bitmap);
    return turned({ width, height, data: toRgb(rgba, 4) }, orientation);
  } finally {
    bitmap.close();
  }
}

function readOpaque(bitmap: ImageBitmap): Uint8ClampedArray {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('no canvas');
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
}

/** A 2D canvas multiplies colors by their opacity and loses digits; a WebGL texture keeps them. */
function readWithAlpha(bitmap: ImageBitmap): Uint8Array {
  const { width, height } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2');
  if (!gl) throw new Error('no WebGL');
  const most = gl.getParameter(gl.MAX_TEXTURE_SIZE) as number;
  if (width > most || height > most) throw new Error(`more than ${most} pixels wide or high`);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(
    gl.FRAMEBUFFER,
    gl.COLOR_ATTACHMENT0,
    gl.TEXTURE_2D,
    gl.getParameter(gl.TEXTURE_BINDING_2D),
    0,
  );
  const rgba = new Uint8Array(4 * width * height);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
  const lost = gl.getExtension('WEBGL_lose_context');
  lost?.loseContext();
  return rgba;
}
