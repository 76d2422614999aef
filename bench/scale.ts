/** `gmtl bench scale`: what a shared step costs on this machine, measured, and on clusters, by arithmetic. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { GmtlError } from '../src/engine/errors.ts';
import { generateSyntheticIdrid } from '../src/retina/data/synth/index.ts';
import { formatTable } from '../src/retina/report/table.ts';
import { RUN_FILES } from '../src/retina/run/fileNames.ts';
import { installedMpis } from './mpi.ts';
import { benchStepPlan } from './stepPlan.ts';
import { DEVICES } from './devices.ts';
import { presetWorkload } from './stepPreset.ts';
import { startGmtl, TINY_SETTINGS } from './trainProcess.ts';

/** A job of so many ranks on this machine. */
export interface MeasuredRanks {
  readonly mpi: string;
  readonly ranks: number;
  readonly adapter: string;
  readonly stepMs: number;
  readonly exchangeMs: number;
  readonly waitMs: number;
  /** Bytes that a rank sends in a step. */
  readonly sentBytes: number;
}

/** Micro-batches of a step in all, whatever the ranks. */
const MICRO_BATCHES = 4;
const IMAGES = 2;
const STEPS = 10;

/** Trains a tiny network with 1, 2 and 4 ranks under the first MPI that is installed (none: an empty list), and reads what each said of its second epoch. */
export async function measureRanks(onStage?: (stage: string) => void): Promise<MeasuredRanks[]> {
  const [mpi] = installedMpis();
  if (mpi === undefined) return [];
  const folder = await mkdtemp(join(tmpdir(), 'gmtl-scale-'));
  try {
    const counts = { segmentationTrain: 3, segmentationTest: 1, gradingTrain: 5, gradingTest: 1 };
    await generateSyntheticIdrid({ directory: join(folder, 'data'), size: 64, ...counts });
    const settings = [
      ...TINY_SETTINGS,
      ...['training.epochs=2', `training.stepsPerEpoch=${STEPS}`, `training.accumulate=${MICRO_BATCHES}`],
    ];
    const measured: MeasuredRanks[] = [];
    for (const ranks of [1, 2, 4]) {
      onStage?.(`${ranks} ranks, ${mpi.name}`);
      const words = ['train', '--distributed', '--data', 'data', '--out', `run-${ranks}`];
      const job = startGmtl(
        [...words, ...settings.flatMap((one) => ['--set', one])],
        folder,
        mpi.launch(ranks, folder),
      );
      const { code } = await job.ended;
      if (code !== 0) throw new GmtlError('bench/ranks', `${ranks} ranks under ${mpi.name} failed:\n${job.output()}`);
      measured.push({ mpi: mpi.name, ranks, ...(await readRanks(join(folder, `run-${ranks}`, RUN_FILES.ranksTable))) });
    }
    return measured;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The second epoch: in the first, programs are compiled. */
async function readRanks(path: string): Promise<Omit<MeasuredRanks, 'mpi' | 'ranks'>> {
  const rows = (parse(await readFile(path, 'utf8'), { columns: true }) as Record<string, string>[]).filter(
    ({ epoch }) => epoch === '2',
  );
  const sum = (column: string): number => rows.reduce((total, row) => total + Number(row[column]), 0);
  const stepMs = (1000 * MICRO_BATCHES * IMAGES) / sum('imagesPerSecond');
  return {
    adapter: rows[0].adapter,
    stepMs,
    exchangeMs: (stepMs * sum('exchangeShare')) / rows.length,
    waitMs: (stepMs * sum('waitShare')) / rows.length,
    sentBytes: sum('sentBytes') / rows.length / STEPS,
  };
}

/** A network whose scaling is computed. */
export interface ModelledNetwork {
  readonly name: string;
  readonly parameters: number;
  readonly images: number;
  /** The least time of one micro-batch on the GPU. */
  readonly microBatchMs: number;
}

/** What the arithmetic takes for granted. */
const ASSUMED = {
  /** Bytes per second between GPU and host, one way: PCIe 4.0 x16 gives 25e9 at best, mapped buffers about half. */
  hostBytesPerSecond: 12e9,
  /** Numbers that a rank adds up per second on the host. */
  addsPerSecond: 5e8,
  /** Share of the network's speed that reaches MPI. */
  networkShare: 0.9,
} as const;
const GIGABITS = [10, 25, 100] as const;
const RANKS = [1, 2, 4, 8, 16, 32, 64] as const;
const PER_RANK = [1, 8] as const;

/** Plans both networks for an H100 without a device. */
export async function modelledNetworks(): Promise<ModelledNetwork[]> {
  const networks: ModelledNetwork[] = [];
  for (const [name, preset] of [
    ['ConvNeXt-T (preset convnext-gated)', 'convnext-gated'],
    ['ResNet-34-U-Net (preset resnet-unet)', 'resnet-unet'],
  ]) {
    const { workload, plan } = await benchStepPlan((backend) => presetWorkload(backend, { preset }), DEVICES.h100);
    networks.push({ name, parameters: workload.parameters, images: workload.batch, microBatchMs: plan.total.floorMs });
  }
  return networks;
}

/** Milliseconds that a shared step spends on its exchange: readback, MPI_Alltoall and MPI_Allgather, the sum, upload. None for one rank. */
export function exchangeMs(parameters: number, ranks: number, gigabits: number): number {
  if (ranks === 1) return 0;
  const bytes = 4 * parameters;
  const onTheWire = (2 * bytes * (ranks - 1)) / ranks;
  const network = onTheWire / ((ASSUMED.networkShare * gigabits * 1e9) / 8);
  const host = (2 * bytes) / ASSUMED.hostBytesPerSecond;
  const sum = (parameters * (ranks - 1)) / ranks / ASSUMED.addsPerSecond;
  return 1000 * (network + host + sum);
}

/** Share of the perfect speed-up, 0 … 1, where the exchange overlaps with nothing. */
export function efficiency(network: ModelledNetwork, ranks: number, perRank: number, gigabits: number): number {
  const computing = perRank * network.microBatchMs;
  return computing / (computing + exchangeMs(network.parameters, ranks, gigabits));
}

/** Both tables, apart. @param measured null: not asked for. */
export function formatScale(measured: readonly MeasuredRanks[] | null, networks: readonly ModelledNetwork[]): string {
  const first = measured?.[0];
  const real =
    first && measured
      ? [
          `MEASURED on this machine: ${first.mpi}, ${first.adapter}, a tiny network, ${MICRO_BATCHES} micro-batches a step in all.`,
          'Ranks share the cores and the adapter here: this shows what the exchange costs, not a speed-up.',
          formatTable(
            [
              { header: 'ranks', digits: 0 },
              { header: 'step ms', digits: 1 },
              { header: 'exchange ms', digits: 2 },
              { header: 'waiting ms', digits: 1 },
              { header: 'kB sent per rank', digits: 1 },
            ],
            measured.map((row) => [row.ranks, row.stepMs, row.exchangeMs, row.waitMs, row.sentBytes / 1000]),
          ),
        ]
      : [
          `MEASURED: nothing; ${measured ? 'no Open MPI or MPICH is installed here' : 'the arithmetic alone was asked for'}.`,
        ];
  const modeled = networks.map((network) =>
    [
      `${network.name}: ${(network.parameters / 1e6).toFixed(1)} M parameters, ${network.images} images a micro-batch, ${network.microBatchMs.toFixed(1)} ms at best on ${DEVICES.h100.name}`,
      formatTable(
        [
          { header: 'ranks', digits: 0 },
          ...PER_RANK.flatMap((perRank) =>
            GIGABITS.map((gigabits) => ({ header: `${gigabits} Gbit, ${perRank} a rank`, align: 'right' as const })),
          ),
        ],
        RANKS.map((ranks) => [
          ranks,
          ...PER_RANK.flatMap((perRank) =>
            GIGABITS.map((gigabits) => `${(100 * efficiency(network, ranks, perRank, gigabits)).toFixed(0)} %`),
          ),
        ]),
      ),
    ].join('\n'),
  );
  return [
    ...real,
    '',
    'ARITHMETIC, not measured: share of the perfect speed-up, by network and by micro-batches a rank and step.',
    `Gradients go to the host and back at ${ASSUMED.hostBytesPerSecond / 1e9} GB/s, twice (n-1)/n of them over ${100 * ASSUMED.networkShare} % of the network, and are added at ${ASSUMED.addsPerSecond / 1e9} G/s;`,
    'nothing overlaps. Computing is the least time of the plan: real steps take longer, and then the share is higher.',
    ...modeled,
  ].join('\n');
}
