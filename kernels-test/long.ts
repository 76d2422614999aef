/** Whether the tests run in their long form. */

/** GMTL_LONG_TESTS=1: what takes minutes and differs from the short form in number alone (CONTRIBUTING.md lists it). */
export const LONG_TESTS = process.env.GMTL_LONG_TESTS === '1';
