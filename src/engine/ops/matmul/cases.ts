/** Every transposition, batch, epilogue and tail of a tile; the layers of ConvNeXt-T. */
import type { Shape } from '../../tensor/spec.ts';
import { type Case, SUM_TOLERANCE } from '../definition.ts';
import type { MatmulAttributes } from './attributes.ts';

function matmulCase(
  name: string,
  shapes: readonly Shape[],
  attributes: MatmulAttributes,
  purpose: Case['purpose'] = ['test'],
): Case<MatmulAttributes> {
  return { name, inputs: shapes.map((shape) => ({ shape })), attributes, purpose, tolerance: SUM_TOLERANCE };
}

/** A layer with gelu where nothing is differentiated. */
function inference(name: string, shapes: readonly Shape[], purpose: Case['purpose']): Case<MatmulAttributes> {
  const inputs = shapes.map((shape) => ({ shape, grad: false }));
  return { name, inputs, attributes: { ...NT, activation: 'gelu' }, purpose };
}

const NT: MatmulAttributes = { transposeB: true };
const TN: MatmulAttributes = { transposeA: true };
const TT: MatmulAttributes = { transposeA: true, transposeB: true };
const both: Case['purpose'] = ['test', 'gradient'];

/** ConvNeXt-T's pointwise layers as M, K, N: rows of all pictures, channels in, channels out. */
const LAYERS: readonly [string, number, number, number][] = [
  ['1024x96x384', 1024, 96, 384],
  ['stage 1 up, N4 at 224', 12_544, 96, 384],
  ['40 channels up', 8192, 40, 160],
  ['40 channels down', 8192, 160, 40],
  ['80 channels up', 2048, 80, 320],
  ['160 channels up', 512, 160, 640],
  ['320 channels up', 128, 320, 1280],
];

/** Every way an operand can be stored, folded or batched, every epilogue; extents around the tile sizes, and layers to time. */
export const matmulCases: readonly Case<MatmulAttributes>[] = [
  matmulCase(
    'tiny',
    [
      [2, 3],
      [3, 4],
    ],
    {},
    both,
  ),
  matmulCase(
    'tiny, a transposed',
    [
      [3, 2],
      [3, 5],
    ],
    TN,
    both,
  ),
  matmulCase(
    'tiny, b transposed',
    [
      [2, 3],
      [5, 3],
    ],
    NT,
    both,
  ),
  matmulCase(
    'tiny, both transposed',
    [
      [3, 4],
      [2, 3],
    ],
    TT,
    both,
  ),
  matmulCase('linear with bias, leading axes', [[2, 1, 3, 2], [3, 2], [3]], NT, both),
  matmulCase('linear with relu', [[5, 3], [3, 2], [2]], { activation: 'relu' }, both),
  matmulCase('linear with gelu, leading axes', [[2, 2, 3], [4, 3], [4]], { ...NT, activation: 'gelu' }, both),
  matmulCase(
    'gelu without bias',
    [
      [3, 2],
      [2, 3],
    ],
    { activation: 'gelu' },
    both,
  ),
  matmulCase(
    'batched',
    [
      [2, 2, 3],
      [2, 3, 2],
    ],
    {},
    both,
  ),
  matmulCase('batched, both transposed, bias', [[2, 3, 2], [2, 5, 3], [5]], TT, both),
  matmulCase(
    'batched a transposed, one b',
    [
      [2, 3, 2],
      [3, 4],
    ],
    TN,
    both,
  ),
  matmulCase(
    'one a, batched b',
    [
      [1, 2, 3],
      [2, 4, 3],
    ],
    NT,
    both,
  ),
  matmulCase(
    'one number',
    [
      [1, 1],
      [1, 1],
    ],
    {},
    both,
  ),
  matmulCase(
    'one row',
    [
      [1, 37],
      [37, 70],
    ],
    {},
  ),
  matmulCase('one column', [[37, 70], [1, 70], [1]], { ...NT, activation: 'gelu' }),
  matmulCase('27 inner elements', [[33, 27], [27, 65], [65]], { activation: 'relu' }),
  matmulCase('27 inner elements, b transposed', [[33, 27], [18, 27], [18]], NT),
  matmulCase(
    'a transposed, odd',
    [
      [29, 33],
      [29, 67],
    ],
    TN,
  ),
  matmulCase(
    'a transposed, rows in fours, odd inner',
    [
      [29, 36],
      [29, 131],
    ],
    TN,
  ),
  matmulCase('both transposed, odd', [[30, 19], [70, 30], [70]], { ...TT, activation: 'gelu' }),
  matmulCase('whole tiles', [[64, 32], [32, 128], [128]], {}),
  matmulCase('whole tiles, b transposed', [[64, 32], [128, 32], [128]], { ...NT, activation: 'gelu' }),
  matmulCase('past whole tiles', [[65, 36], [36, 132], [132]], {}),
  matmulCase(
    'past whole large tiles, a transposed',
    [
      [70, 132],
      [70, 136],
    ],
    TN,
  ),
  matmulCase(
    'long inner axis, few outputs',
    [
      [3001, 8],
      [3001, 12],
    ],
    TN,
  ),
  matmulCase(
    'long inner axis, odd outputs',
    [
      [1030, 7],
      [1030, 5],
    ],
    TN,
  ),
  matmulCase(
    'long inner axis, no transposition',
    [
      [9, 1500],
      [1500, 10],
    ],
    {},
  ),
  matmulCase(
    'batched, odd',
    [
      [3, 17, 13],
      [3, 13, 21],
    ],
    {},
  ),
  matmulCase(
    'batched, b transposed, in fours',
    [
      [2, 3, 20, 8],
      [2, 3, 36, 8],
    ],
    NT,
  ),
  matmulCase(
    '512 cubed',
    [
      [512, 512],
      [512, 512],
    ],
    {},
    ['bench'],
  ),
  ...LAYERS.map(([name, m, k, n]) => matmulCase(name, [[m, k], [n, k], [n]], NT, ['bench'])),
  matmulCase('stage 1 up with gelu', [[12_544, 96], [384, 96], [384]], { ...NT, activation: 'gelu' }, ['bench']),
  inference('no gradient, gelu', [[33, 12], [20, 12], [20]], ['test']),
  inference('stage 1 up with gelu, no gradient', [[12_544, 96], [384, 96], [384]], ['bench']),
];
