import { AdamW, createEngine, functional as F, Linear, Sequential, scope } from '../src/index.ts';

const engine = await createEngine({ seed: 1 });
const net = new Sequential(new Linear(2, 16, { activation: 'relu' }), new Linear(16, 2));
const optimizer = new AdamW(net.parameters(), { lr: 0.05 });
const x = engine.tensor([0, 0, 0, 1, 1, 0, 1, 1], [4, 2]);
const y = engine.tensor(Int32Array.of(0, 1, 1, 0)); // XOR

for (let step = 0; step <= 300; step++) {
  const loss = scope(() => {
    const value = F.crossEntropy(net.forward(x), y);
    value.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return value;
  });
  if (step % 100 === 0) console.log(`step ${step}: loss ${(await loss.item()).toFixed(4)}`);
  loss.dispose();
}
engine.backend.destroy();
// step 0: loss 0.6690 … step 300: loss 0.0003
