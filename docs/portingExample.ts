import { readFile, rm } from 'node:fs/promises';
import * as gmtl from '../src/index.ts';

const engine = await gmtl.createEngine({ seed: 1 });
const { functional: F } = gmtl;

class Net extends gmtl.Module {
  features = new gmtl.Sequential(
    new gmtl.Conv2d(1, 8, 3, { padding: 1, bias: false }),
    new gmtl.BatchNorm2d(8),
    new gmtl.ReLU(),
    new gmtl.MaxPool2d(2),
  );
  fc = new gmtl.Linear(8 * 4 * 4, 2);

  forward(x: gmtl.Tensor): gmtl.Tensor {
    return this.fc.forward(this.features.forward(x).flatten(1));
  }
}

// Sixteen pictures of 8 x 8, NHWC: bars that lie and bars that stand.
const pictures = Array.from({ length: 16 }, (_, n) =>
  Array.from({ length: 64 }, (_, i) => ((n % 2 ? i : i >> 3) % 8 === n >> 1 ? 1 : 0)),
);
const x = engine.tensor(pictures).reshape([16, 8, 8, 1]);
const y = engine.tensor(Int32Array.from(pictures, (_, n) => n % 2));

const net = new Net();
const optimizer = new gmtl.AdamW(gmtl.noDecay(net.namedParameters(), 0.05), { lr: 0.01 });
const schedule = gmtl.cosine({ totalSteps: 40, warmupSteps: 5 });
for (let step = 0; step < 40; step++) {
  optimizer.lr = 0.01 * schedule(step);
  gmtl.scope(() => F.crossEntropy(net.forward(x), y).backward());
  await gmtl.clipGradNorm(net.parameters(), 1);
  optimizer.step();
  optimizer.zeroGrad();
}

await gmtl.writeSafetensors('net.safetensors', await net.stateDict()); // PyTorch's names and layouts
const again = new Net();
again.loadStateDict((await gmtl.readSafetensors('net.safetensors')).tensors);
again.eval();
const grades = gmtl.noGrad(() => gmtl.scope(() => again.forward(x).argmax(1)));
const right = (await grades.data()).filter((grade, n) => grade === n % 2).length;
console.log(`${right} of 16 right, ${(await readFile('net.safetensors')).length} bytes`);
await rm('net.safetensors');
engine.backend.destroy();
