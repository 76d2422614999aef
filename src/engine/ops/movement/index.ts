/** The ops that move elements and compute nothing. */
import type { Op } from '../definition.ts';
import { cast } from './cast.ts';
import { concat } from './concat.ts';
import { expand } from './expand.ts';
import { fill } from './fill.ts';
import { floatCast } from './floatCast.ts';
import { pad } from './pad.ts';
import { permute } from './permute.ts';
import { assign, reshape } from './reshape.ts';
import { slice } from './slice.ts';

export const movementOps: readonly Op[] = [expand, permute, slice, pad, concat, reshape, assign, cast, floatCast, fill];
