/** What build.mjs puts into the bundles. */
declare const GMTL_VERSION: string;
declare const GMTL_FILES: readonly string[];
declare const GMTL_BUILD: string;
