/** What build.mjs puts into the bundles. */
declare const GMTL_VERSION: string;
declare const GMTL_FILES: readonly string[];
declare const GMTL_BUILD: string;

/** Its package names a file of types that TypeScript does not find beside its CommonJS entry. */
declare module 'jpeg-lossless-decoder-js' {
  export class Decoder {
    decompress(data: ArrayBufferLike, offset: number, length: number): ArrayBuffer;
  }
}
