/** Finds the ConvNeXt or ResNet in a set of names and shapes. */
import { CONVNEXT_VARIANTS } from '../convnext.ts';
import { RESNET_VARIANTS, type ResNetConfig } from '../resnet.ts';

/** Shapes by name, as files and `Parameter.externalShape` give them (PyTorch's layouts). */
export type ShapeTable = ReadonlyMap<string, readonly number[]>;

/** The architectures whose weights are converted. */
export type TrunkFamily = 'convnext' | 'resnet';

/** The feature extractor in a file or in a network, as its names and shapes describe it. */
export interface TrunkDescription {
  readonly family: TrunkFamily;
  /** What stands before the trunk's own names: '' or ending in a dot (`trunk.`, `encoder.`). */
  readonly prefix: string;
  /** Blocks of each stage. */
  readonly depths: readonly number[];
  /** Channels of each stage. */
  readonly widths: readonly number[];
  /** As messages show it: `ConvNeXt tiny (depths 3, 3, 9, 3; widths 96, 192, 384, 768)`. */
  readonly title: string;
}

/** timm's names of a ConvNeXt and torchvision's of a ResNet are gmtl's own; one such name, with whatever stands before it. */
const BLOCK: Readonly<Record<TrunkFamily, RegExp>> = {
  convnext: /^(|.*\.)stages\.\d+\.blocks\.\d+\.conv_dw\.weight$/,
  resnet: /^(|.*\.)layer\d+\.\d+\.conv1\.weight$/,
};

/** Where the stage and the block number stand in the names of a block's first convolution, after the prefix. */
const NUMBERED: Readonly<Record<TrunkFamily, RegExp>> = {
  convnext: /^stages\.(\d+)\.blocks\.(\d+)\.conv_dw\.weight$/,
  resnet: /^layer(\d+)\.(\d+)\.conv2\.weight$/,
};

/**
 * Finds the trunk among a network's (or a converted file's) names and reads its depths and widths off the shapes.
 * @returns null where no name belongs to a ConvNeXt or a ResNet.
 */
export function describeTrunk(shapes: ShapeTable): TrunkDescription | null {
  for (const family of ['convnext', 'resnet'] as const) {
    for (const name of shapes.keys()) {
      const prefix = BLOCK[family].exec(name)?.[1];
      if (prefix !== undefined) return describe(family, prefix, shapes);
    }
  }
  return null;
}

function describe(family: TrunkFamily, prefix: string, shapes: ShapeTable): TrunkDescription {
  const depths: number[] = [];
  const widths: number[] = [];
  for (const [name, shape] of shapes) {
    if (!name.startsWith(prefix)) continue;
    const found = NUMBERED[family].exec(name.slice(prefix.length));
    if (!found) continue;
    const stage = Number(found[1]) - (family === 'resnet' ? 1 : 0);
    depths[stage] = Math.max(depths[stage] ?? 0, Number(found[2]) + 1);
    widths[stage] = shape[0];
  }
  // A damaged file may lack a stage, which leaves a hole in the array: count it as 0.
  const whole = (values: number[]): number[] => Array.from(values, (value: number | undefined) => value ?? 0);
  const description = { family, prefix, depths: whole(depths), widths: whole(widths) };
  const bottleneck = shapes.has(`${prefix}layer1.0.conv3.weight`);
  return { ...description, title: titleOf(family, description.depths, description.widths, bottleneck) };
}

function titleOf(
  family: TrunkFamily,
  depths: readonly number[],
  widths: readonly number[],
  bottleneck: boolean,
): string {
  const numbers = `(depths ${depths.join(', ')}; widths ${widths.join(', ')})`;
  const same = (a: readonly number[], b: readonly number[]): boolean => a.join() === b.join();
  if (family === 'convnext') {
    const variant = Object.entries(CONVNEXT_VARIANTS).find(
      ([, known]) => same(known.depths, depths) && same(known.dims, widths),
    );
    return variant ? `ConvNeXt ${variant[0]} ${numbers}` : `ConvNeXt of no named variant ${numbers}`;
  }
  const variant = Object.entries<ResNetConfig>(RESNET_VARIANTS).find(
    ([, known]) =>
      same(known.depths, depths) && same(known.widths, widths) && (known.block === 'bottleneck') === bottleneck,
  );
  if (variant) return `ResNet-${variant[0].slice('resnet'.length)} ${numbers}`;
  return `ResNet${bottleneck ? ' with bottleneck blocks' : ''} of no named variant ${numbers}`;
}
