/** Number of 8-connected regions of a mask, as `gmtl infer` states it for each kind of lesion. */
export { countComponents as countRegions } from '../metrics/components.ts';
