/** Decides, from names and shapes alone, which tensor of a weights file goes to which parameter of a network. Nothing is read or written here. */
import { GmtlError } from '../../errors.ts';
import { formatShape } from '../../tensor/spec.ts';
import { detectNaming, type Naming } from './naming.ts';
import { describeTrunk, type ShapeTable, type TrunkDescription, type TrunkFamily } from './trunk.ts';

/** loaded: written; skipped: the file's, not used; missing: the network's, not in the file; mismatch: in both, of shapes that do not fit. */
export type InitStatus = 'loaded' | 'skipped' | 'missing' | 'mismatch';

/** What becomes of one tensor. */
export interface InitRow {
  /** Its name in the file; null where the file lacks it. */
  readonly fileName: string | null;
  /** Its name in the network; null where the network lacks it. */
  readonly name: string | null;
  /** Its shape in the file or, where the file lacks it, in the network (PyTorch's layout). */
  readonly shape: readonly number[];
  readonly status: InitStatus;
  /** Why it was not loaded, or how it was converted; '' where there is nothing to say. */
  readonly reason: string;
}

export interface InitPlan {
  /** The naming that the file uses, as messages show it: `torchvision`, `timm`, … */
  readonly naming: string;
  /** What stands before those names in the file. */
  readonly filePrefix: string;
  /** The trunk in the file, by its shapes. */
  readonly source: TrunkDescription;
  /** The network's trunk. */
  readonly target: TrunkDescription;
  /** The file's tensors in its order, then what is missing, in the network's order. */
  readonly rows: readonly InitRow[];
}

export interface PlanOptions {
  /** Whether every parameter of the trunk must be in the file with the same shape. Default true; false loads what fits. */
  readonly strict?: boolean;
  /** Without `strict`: the least share of the trunk's tensors that must be loaded. Default 0.5. */
  readonly leastShare?: number;
}

/** The names, without prefix, that make a trunk what it is: neither the last norm nor a classifier is among them. */
const ESSENTIAL: Readonly<Record<TrunkFamily, RegExp>> = {
  convnext: /^(stem|stages)\./,
  resnet: /^(conv1|bn1|layer\d+)\./,
};
const COUNTER = /(^|\.)num_batches_tracked$/;
const CLASSIFIER = /^(head\.fc|fc)\.(weight|bias)$/;
const FRESH = 'not in the file; keeps its fresh initialization';

/**
 * Matches a file with a network.
 * @param where names the file in errors.
 * @param file shapes by the file's names.
 * @param own the network's `externalShape`s by its names, buffers included.
 * @throws GmtlError `init/unknown-names` (neither a ConvNeXt's nor a ResNet's names), `init/no-trunk` (the network has none),
 * `init/wrong-network` (one is a ConvNeXt, the other a ResNet), `init/wrong-variant` (with `strict`: it names the first difference).
 */
export function planInit(where: string, file: ShapeTable, own: ShapeTable, options: PlanOptions = {}): InitPlan {
  const target = describeTrunk(own);
  if (!target) {
    throw new GmtlError(
      'init/no-trunk',
      `${where}: this network has no ConvNeXt or ResNet trunk to initialize; pretrained weights need one`,
    );
  }
  const naming = detectNaming(file.keys());
  if (!naming) throw unknownNames(where, file);
  const source = describeTrunk(canonicalShapes(file, naming));
  if (!source) throw unknownNames(where, file);
  if (source.family !== target.family) {
    throw new GmtlError(
      'init/wrong-network',
      `${where}: holds a ${source.title}, this network's trunk is a ${target.title}. Give weights of the same architecture, or choose the model that fits the file.`,
    );
  }
  const plan = {
    naming: naming.title,
    filePrefix: naming.prefix,
    source,
    target,
    rows: match(file, own, naming, target),
  };
  if (options.strict ?? true) requireTrunk(where, plan, file, own);
  else requireShare(where, plan, options.leastShare ?? 0.5);
  return plan;
}

/** Whether the shapes hold the same elements in the same order: they may differ by trailing axes of extent 1, as a 1x1 convolution's and a matrix's do. */
export function interchangeable(a: readonly number[], b: readonly number[]): boolean {
  const core = (shape: readonly number[]): readonly number[] =>
    shape.slice(0, shape.findLastIndex((extent) => extent !== 1) + 1);
  return core(a).join() === core(b).join();
}

function canonicalShapes(file: ShapeTable, naming: Naming): ShapeTable {
  const shapes = new Map<string, readonly number[]>();
  for (const [name, shape] of file) {
    const canonical = naming.canonical(name);
    if (canonical !== null) shapes.set(canonical, shape);
  }
  return shapes;
}

function match(file: ShapeTable, own: ShapeTable, naming: Naming, target: TrunkDescription): InitRow[] {
  const givenBy = new Map<string, string>();
  const rows = [...file].map(([fileName, shape]): InitRow => {
    const canonical = naming.canonical(fileName);
    // Outside the trunk, names are taken as they are: gmtl's own files and segmentation_models_pytorch's hold decoders and heads too.
    const name = canonical === null ? fileName : target.prefix + canonical;
    const wanted = own.get(name);
    if (!wanted)
      return { fileName, name: null, shape, status: 'skipped', reason: whyUnused(fileName, canonical, shape) };
    const earlier = givenBy.get(name);
    if (earlier !== undefined) {
      return { fileName, name, shape, status: 'skipped', reason: `${earlier} already gave this parameter` };
    }
    givenBy.set(name, fileName);
    if (!interchangeable(shape, wanted)) {
      return { fileName, name, shape, status: 'mismatch', reason: whyDifferent(canonical, shape, wanted) };
    }
    const reshaped = shape.join() === wanted.join() ? '' : `reshaped to ${formatShape(wanted)}`;
    return { fileName, name, shape, status: 'loaded', reason: reshaped };
  });
  for (const [name, shape] of own) {
    if (givenBy.has(name)) continue;
    const reason = COUNTER.test(name) ? 'not in the file; counts from 0' : FRESH;
    rows.push({ fileName: null, name, shape, status: 'missing', reason });
  }
  return rows;
}

function whyUnused(fileName: string, canonical: string | null, shape: readonly number[]): string {
  if (canonical !== null && CLASSIFIER.test(canonical)) {
    return `the classifier has ${shape[0]} outputs; this network has its own heads`;
  }
  if (canonical?.startsWith('head.norm.')) return 'this network has no norm between pooling and heads';
  if (/(^|\.)norm_pre\./.test(fileName))
    return "the file's network has its last norm before pooling, this one after it";
  if (canonical !== null) return "this network's trunk has no such part";
  return 'this network has nothing of that name';
}

function whyDifferent(canonical: string | null, shape: readonly number[], wanted: readonly number[]): string {
  if (canonical !== null && CLASSIFIER.test(canonical)) {
    return `the classifier has ${shape[0]} outputs, this network's has ${wanted[0]}: it keeps its fresh initialization`;
  }
  return `${formatShape(shape)} in the file, ${formatShape(wanted)} here`;
}

/** The loose rule: what is loaded must be enough to be worth calling pretrained. */
function requireShare(where: string, { rows, target }: InitPlan, least: number): void {
  const trunk = rows.filter(({ name }) => name?.startsWith(target.prefix) && !COUNTER.test(name));
  const loaded = trunk.filter(({ status }) => status === 'loaded').length;
  if (loaded >= least * trunk.length) return;
  throw new GmtlError(
    'init/too-few',
    `${where}: only ${loaded} of the trunk's ${trunk.length} tensors fit, less than ${100 * least} %: it is another network's. Give weights of ${target.title}.`,
  );
}

/** The strict rule: every parameter of the trunk is loaded, and the file's trunk has none that this one lacks. */
function requireTrunk(where: string, plan: InitPlan, file: ShapeTable, own: ShapeTable): void {
  const { source, target, naming, rows } = plan;
  const essential = (name: string | null): boolean =>
    name?.startsWith(target.prefix) === true &&
    ESSENTIAL[target.family].test(name.slice(target.prefix.length)) &&
    !COUNTER.test(name);
  const wrong = rows.filter(({ name, status }) => status !== 'loaded' && essential(name));
  const deeper = source.depths.some((depth, stage) => depth > (target.depths[stage] ?? 0));
  const extra = deeper ? rows.find(({ reason }) => reason === "this network's trunk has no such part") : undefined;
  const first = wrong[0] ?? extra;
  if (!first) return;
  const total = [...own.keys()].filter(essential).length;
  const differs =
    first.status === 'missing'
      ? `${first.name} ${formatShape(first.shape)} is not in the file`
      : first.status === 'mismatch'
        ? `${first.fileName} (here ${first.name}) is ${formatShape(first.shape)} in the file, ${formatShape(own.get(first.name ?? '') ?? [])} in this network`
        : `${first.fileName} ${formatShape(first.shape)} has no place in this network`;
  const second = [...file.keys()].some((name) => /(^|\.)grn\./.test(name))
    ? ' It has global response norms: it is a ConvNeXt V2, which is another network.'
    : '';
  throw new GmtlError(
    'init/wrong-variant',
    `${where}: its weights do not fit this network's trunk.${second}
  the file looks like ${source.title}, under the names of ${naming};
  this network's trunk is ${target.title};
  first difference: ${differs};
  ${wrong.length} of the trunk's ${total} tensors do not fit.
Give weights of this trunk's variant, or choose the trunk that the file is for.`,
  );
}

function unknownNames(where: string, file: ShapeTable): GmtlError {
  const names = [...file.keys()];
  const shown = names.slice(0, 3).join(', ') + (names.length > 3 ? ', …' : '');
  return new GmtlError(
    'init/unknown-names',
    `${where}: ${names.length === 0 ? 'holds no tensors' : `its names (${shown}) are neither a ConvNeXt's nor a ResNet's`}. ` +
      'Known are the names of timm (stages.0.blocks.0.conv_dw.weight), torchvision (features.1.0.layer_scale; layer1.0.conv1.weight), ' +
      'the original ConvNeXt (stages.0.0.dwconv.weight), segmentation_models_pytorch (encoder.layer1.0.conv1.weight) and gmtl (trunk.stages.0.blocks.0.conv_dw.weight).',
  );
}
