/** The names that timm, torchvision and the original projects give to the parameters of a trunk. */
import type { TrunkFamily } from './trunk.ts';

/** One project's names of an architecture's parameters, written as rewrites to gmtl's (timm's for ConvNeXt, torchvision's for ResNet). */
interface Convention {
  /** As messages show it. */
  readonly title: string;
  readonly family: TrunkFamily;
  /** A name that only this convention has. Its first group is the prefix: '' or ending in a dot. */
  readonly signature: RegExp;
  /** Whole names without the prefix → ours, the first that fits; a name that none fits is not a parameter of the architecture. */
  readonly rewrites: readonly (readonly [RegExp, string | ((match: RegExpExecArray) => string)])[];
}

const CONVNEXT_BLOCK = '(conv_dw|norm|mlp\\.fc[12])\\.(weight|bias)';
const BATCH_NORM = '(?:weight|bias|running_mean|running_var|num_batches_tracked)';

/** Read off each project's model definition (torchvision and timm convnext.py and resnet.py, facebookresearch/ConvNeXt models/convnext.py). */
const CONVENTIONS: readonly Convention[] = [
  {
    title: 'torchvision',
    family: 'convnext',
    signature: /^(|.*\.)features\.\d+\.\d+\.layer_scale$/,
    rewrites: [
      [/^features\.0\.([01])\.(weight|bias)$/, 'stem.$1.$2'],
      // features.0 is the stem; then stage i has its blocks at 2i + 1 and, above 0, its downsampling at 2i.
      [/^features\.([246])\.([01])\.(weight|bias)$/, (m) => `stages.${Number(m[1]) / 2}.downsample.${m[2]}.${m[3]}`],
      [/^features\.([1357])\.(\d+)\.block\.([0235])\.(weight|bias)$/, torchvisionBlock],
      [/^features\.([1357])\.(\d+)\.layer_scale$/, (m) => `stages.${(Number(m[1]) - 1) / 2}.blocks.${m[2]}.gamma`],
      [/^classifier\.0\.(weight|bias)$/, 'head.norm.$1'],
      [/^classifier\.2\.(weight|bias)$/, 'head.fc.$1'],
    ],
  },
  {
    title: 'original (facebookresearch/ConvNeXt)',
    family: 'convnext',
    signature: /^(|.*\.)stages\.\d+\.\d+\.dwconv\.weight$/,
    rewrites: [
      [/^downsample_layers\.0\.([01])\.(weight|bias)$/, 'stem.$1.$2'],
      [/^downsample_layers\.([123])\.([01])\.(weight|bias)$/, 'stages.$1.downsample.$2.$3'],
      [/^stages\.(\d)\.(\d+)\.dwconv\.(weight|bias)$/, 'stages.$1.blocks.$2.conv_dw.$3'],
      [/^stages\.(\d)\.(\d+)\.norm\.(weight|bias)$/, 'stages.$1.blocks.$2.norm.$3'],
      [/^stages\.(\d)\.(\d+)\.pwconv([12])\.(weight|bias)$/, 'stages.$1.blocks.$2.mlp.fc$3.$4'],
      [/^stages\.(\d)\.(\d+)\.gamma$/, 'stages.$1.blocks.$2.gamma'],
      [/^norm\.(weight|bias)$/, 'head.norm.$1'],
      [/^head\.(weight|bias)$/, 'head.fc.$1'],
    ],
  },
  {
    // timm's `features_only` networks, which segmentation_models_pytorch's "tu-" encoders wrap, join the outer two levels.
    title: 'timm, flattened (features_only)',
    family: 'convnext',
    signature: /^(|.*\.)stages_\d+\.blocks\.\d+\.conv_dw\.weight$/,
    rewrites: [
      [/^stem_([01])\.(weight|bias)$/, 'stem.$1.$2'],
      [/^stages_(\d)\.downsample\.([01])\.(weight|bias)$/, 'stages.$1.downsample.$2.$3'],
      [new RegExp(`^stages_(\\d)\\.blocks\\.(\\d+)\\.${CONVNEXT_BLOCK}$`), 'stages.$1.blocks.$2.$3.$4'],
      [/^stages_(\d)\.blocks\.(\d+)\.gamma$/, 'stages.$1.blocks.$2.gamma'],
    ],
  },
  {
    title: 'timm',
    family: 'convnext',
    signature: /^(|.*\.)stages\.\d+\.blocks\.\d+\.conv_dw\.weight$/,
    rewrites: [
      [/^stem\.[01]\.(?:weight|bias)$/, '$&'],
      [/^stages\.\d\.downsample\.[01]\.(?:weight|bias)$/, '$&'],
      [new RegExp(`^stages\\.\\d\\.blocks\\.\\d+\\.${CONVNEXT_BLOCK}$`), '$&'],
      [/^stages\.\d\.blocks\.\d+\.gamma$/, '$&'],
      [/^head\.(?:norm|fc)\.(?:weight|bias)$/, '$&'],
    ],
  },
  {
    title: 'torchvision and timm',
    family: 'resnet',
    signature: /^(|.*\.)layer\d\.\d+\.conv1\.weight$/,
    rewrites: [
      [/^conv1\.weight$/, '$&'],
      [new RegExp(`^bn1\\.${BATCH_NORM}$`), '$&'],
      // conv3 and bn3 belong to bottleneck blocks; they are named so that the error can say what the file is.
      [/^layer[1-4]\.\d+\.conv[123]\.weight$/, '$&'],
      [new RegExp(`^layer[1-4]\\.\\d+\\.bn[123]\\.${BATCH_NORM}$`), '$&'],
      [/^layer[1-4]\.0\.downsample\.0\.weight$/, '$&'],
      [new RegExp(`^layer[1-4]\\.0\\.downsample\\.1\\.${BATCH_NORM}$`), '$&'],
      [/^fc\.(?:weight|bias)$/, '$&'],
    ],
  },
];

function torchvisionBlock([, feature, block, index, kind]: RegExpExecArray): string {
  const part = { 0: 'conv_dw', 2: 'norm', 3: 'mlp.fc1', 5: 'mlp.fc2' }[index];
  return `stages.${(Number(feature) - 1) / 2}.blocks.${block}.${part}.${kind}`;
}

/** The naming that a file uses. */
export interface Naming {
  readonly family: TrunkFamily;
  /** As messages show it: `torchvision`, `timm`, `original (facebookresearch/ConvNeXt)`, … */
  readonly title: string;
  /** What stands before every name of the architecture: '' or, say, `module.`, `model.`, `encoder.`, `trunk.`. */
  readonly prefix: string;
  /** gmtl's name (without any prefix) for a name of the file; null where it does not name a parameter of the architecture. */
  readonly canonical: (fileName: string) => string | null;
}

/**
 * Finds out from a file's names which project wrote them: torchvision, timm (also flattened), the original ConvNeXt repository, each behind
 * any prefix (`model.`, `module.`, `encoder.`, gmtl's own `trunk.`). Two copies of a network in one file (`model.` and
 * `model_ema.`): the first one counts.
 * @returns null where no convention's names are found.
 */
export function detectNaming(names: Iterable<string>): Naming | null {
  const all = [...names];
  for (const { title, family, signature, rewrites } of CONVENTIONS) {
    for (const name of all) {
      const prefix = signature.exec(name)?.[1];
      if (prefix === undefined) continue;
      return {
        family,
        title,
        prefix,
        canonical: (fileName) =>
          fileName.startsWith(prefix) ? rewrite(fileName.slice(prefix.length), rewrites) : null,
      };
    }
  }
  return null;
}

function rewrite(name: string, rewrites: Convention['rewrites']): string | null {
  for (const [pattern, replacement] of rewrites) {
    const match = pattern.exec(name);
    if (!match) continue;
    return typeof replacement === 'string' ? name.replace(pattern, replacement) : replacement(match);
  }
  return null;
}
