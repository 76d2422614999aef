/** Holds the ranks of a training against each other before the first step: what differs on one would be learnt by all. */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { GmtlError } from '../../engine/errors.ts';
import type { GpuDevice } from '../../engine/gpu/device.ts';
import { kernelsHash } from '../../engine/node/kernelsHash.ts';
import { launcherOf } from '../../engine/node/launcher.ts';
import { gatherValues, type Ranks } from '../../engine/node/ranks.ts';
import { gmtlVersion } from '../../engine/node/version.ts';
import type { TrainConfig } from '../config/schema.ts';
import type { MultitaskNet } from '../network/network.ts';
import { packWeights } from '../network/weights.ts';
import { weightsHash } from '../run/weightsHash.ts';

/** What a rank is about to train with. */
interface RankState {
  readonly config: TrainConfig;
  readonly device: GpuDevice;
  /** Fingerprint of the data set. */
  readonly data: string;
  readonly model: MultitaskNet;
  /** What else chooses kernels: precision, kind of adapter. */
  readonly kernels: object;
}

/** What must be the same on all ranks, by the name that a message gives it. */
type Digest = Readonly<Record<string, string>>;

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

/**
 * Compares versions, configurations, data, kernels, adapters and weights of all ranks.
 *
 * @returns notes for people: where the ranks are, and which may share a GPU.
 * @throws GmtlError `ranks/differ` on all ranks, naming the first that differs from rank 0 and in what.
 */
export async function requireAlike(ranks: Ranks, state: RankState): Promise<string[]> {
  const { config, device, data, model, kernels } = state;
  const digest: Digest = {
    'the version of gmtl': gmtlVersion(),
    'the version of Node': process.versions.node.split('.')[0],
    'the configuration': hashOf(JSON.stringify(config)),
    'the data set': data,
    'the kernels': kernelsHash(),
    'the adapter': `${device.name} ${device.info.vendor} ${device.info.architecture} ${JSON.stringify(kernels)}`,
    'the weights': weightsHash(await packWeights(model)).slice(0, 16),
  };
  const own = { digest, host: hostname(), local: launcherOf(process.env)?.localRank ?? null };
  const all = await gatherValues(ranks, own);
  const [first] = all;
  all.forEach(({ digest: other, host }, rank) => {
    const differing = Object.keys(first.digest).find((what) => other[what] !== first.digest[what]);
    if (differing === undefined) return;
    ranks.agree(
      new GmtlError(
        'ranks/differ',
        `nothing was started: ${differing} of rank ${rank} on ${host} is ${other[differing]}, that of rank 0 on ${first.host} ${first.digest[differing]}. ` +
          'All ranks need the same gmtl, options, pictures and kind of adapter.',
      ),
    );
  });
  const hosts = new Map<string, number[]>();
  all.forEach(({ host }, rank) => {
    hosts.set(host, [...(hosts.get(host) ?? []), rank]);
  });
  const places = [...hosts].map(([host, members]) => `${members.length} on ${host}`);
  const isGpu = device.target.deviceClass !== 'software';
  const crowded = [...hosts].filter(([, members]) => members.length > 1);
  const shared = crowded.map(([host, members]) =>
    isGpu
      ? `note: ranks ${members.join(', ')} on ${host} all opened ${device.name}: where that is one GPU they share it and gain little. Give each its own (srun --gpus-per-task=1).`
      : `note: ranks ${members.join(', ')} on ${host} share its processor cores: ${device.name} computes on them.`,
  );
  return [`ranks    ${ranks.size}: ${places.join(', ')}`, ...shared];
}
