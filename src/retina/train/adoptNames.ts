/** Gives the tensors of whole checkpoints of the two published systems, and of wrapped networks, the names that the network here has. */
import type { StoredTensor, StoredTensors } from '../../engine/io/safetensors.ts';
import { interchangeable } from '../../engine/models/pretrained/plan.ts';
import type { ShapeTable } from '../../engine/models/pretrained/trunk.ts';

/** Tensors under names of the network, where they have a place in it, and the names that they had in the file. */
export interface Adopted {
  readonly tensors: StoredTensors;
  readonly fileNames: ReadonlyMap<string, string>;
}

/** What wrappers (DistributedDataParallel, torch.compile) put before every name. */
const WRAPPER = /^(?:module\.|_orig_mod\.)+/;

/** Names in the files → names here; the first whose parameter exists here and fits is taken. */
const RULES: readonly (readonly [RegExp, (match: RegExpExecArray) => string | null])[] = [
  // System B: perceptrons Linear - ReLU - Dropout - Linear; the decoder is one Sequential of four groups of five and a last convolution.
  [
    /(?:^|[._])(gate|retino|edema)\w*\.(?:[a-z]\w*\.)*([03])\.(weight|bias)$/,
    ([, head, index, kind]) => `${head}.${index}.${kind}`,
  ],
  [
    /(?:^|\.)(?:seg|decoder)\w*\.(?:[a-z]\w*\.)*(\d+)\.(weight|bias)$/,
    ([, index, kind]) => decoderName(Number(index), kind),
  ],
  // System A: pooling (without parameters) and a linear layer, wherever it stands in its Sequential; the mask head is a 1x1 convolution.
  [/(?:^|\.)router\w*\.(?:\d+\.)?(weight|bias)$/, ([, kind]) => `router.1.${kind}`],
  [/(?:^|\.)(?:cls|class)\w*\.(?:\w+\.)*(weight|bias)$/, ([, kind]) => `retino.0.${kind}`],
  [/(?:^|\.)seg\w*\.(?:0\.)?(weight|bias)$/, ([, kind]) => `segmentation_head.0.${kind}`],
];

function decoderName(index: number, kind: string): string | null {
  if (index === 20) return `decoder.head.${kind}`;
  const part = { 0: 'up', 2: 'conv' }[index % 5];
  return part === undefined || index > 20 ? null : `decoder.blocks.${Math.floor(index / 5)}.${part}.${kind}`;
}

/** torchvision's `features` of a ConvNeXt, kept under another name (`backbone.1.0.layer_scale`): what stands before their numbers. */
function bareFeatures(names: Iterable<string>): string | null {
  for (const name of names) {
    const found = /^(|.*\.)[1357]\.\d+\.layer_scale$/.exec(name);
    if (found && !/(^|\.)features\.$/.test(found[1])) return found[1];
  }
  return null;
}

/**
 * @param wanted shapes of the network's own parameters by name. Tensors without a place in it keep the names of the file.
 */
export function adoptNames(stored: StoredTensors, wanted: ShapeTable): Adopted {
  const wrapped = [...stored.keys()].every((name) => WRAPPER.test(name));
  const bare = new Map(
    [...stored].map(([name, tensor]) => [wrapped ? name.replace(WRAPPER, '') : name, [name, tensor] as const]),
  );
  const features = bareFeatures(bare.keys());
  const tensors = new Map<string, StoredTensor>();
  const fileNames = new Map<string, string>();
  const put = (name: string, fileName: string, tensor: StoredTensor): void => {
    tensors.set(name, tensor);
    fileNames.set(name, fileName);
  };
  for (const [name, [fileName, tensor]] of bare) {
    if (features !== null && name.startsWith(features) && /^\d+\.\d+\./.test(name.slice(features.length))) {
      put(`${features}features.${name.slice(features.length)}`, fileName, tensor);
      continue;
    }
    const shape = wanted.get(name);
    if (shape && fitted(tensor, shape)) {
      put(name, fileName, fitted(tensor, shape) ?? tensor);
      continue;
    }
    const found = adopted(name, tensor, wanted, bare);
    put(found?.[0] ?? name, fileName, found?.[1] ?? tensor);
  }
  return { tensors, fileNames };
}

function adopted(
  name: string,
  tensor: StoredTensor,
  wanted: ShapeTable,
  given: ReadonlyMap<string, unknown>,
): readonly [string, StoredTensor] | null {
  for (const [pattern, rename] of RULES) {
    const match = pattern.exec(name);
    const own = match && rename(match);
    const shape = own ? wanted.get(own) : undefined;
    if (!own || !shape || (given.has(own) && own !== name)) continue;
    const fits = fitted(tensor, shape);
    if (fits) return [own, fits];
  }
  return null;
}

/** The tensor as the parameter takes it: as it is, or a 1x1 kernel in the center of a 3x3 one, which computes the same. */
function fitted(tensor: StoredTensor, shape: readonly number[]): StoredTensor | null {
  if (interchangeable(tensor.shape, shape)) return tensor;
  const [outputs, inputs, height, width] = shape;
  const isPoint = tensor.shape.length === 4 && tensor.shape[2] === 1 && tensor.shape[3] === 1;
  if (!isPoint || height !== 3 || width !== 3 || !interchangeable(tensor.shape, [outputs, inputs])) return null;
  if (!(tensor.data instanceof Float32Array)) return null;
  const data = new Float32Array(outputs * inputs * 9);
  for (const [index, value] of tensor.data.entries()) data[9 * index + 4] = value;
  return { dtype: 'F32', shape, data };
}
