import { AdamW, createEngine, functional as F, Linear, Module, scope, type Tensor } from '../src/index.ts';

class Net extends Module {
  hidden = new Linear(2, 16, { activation: 'relu' });
  output = new Linear(16, 2);
  forward(x: Tensor): Tensor {
    return this.output.forward(this.hidden.forward(x));
  }
}

const engine = await createEngine({ seed: 1 });
const net = new Net();
const named = [...net.namedParameters()].map(([name, tensor]) => ({ name, tensor }));
const optimizer = new AdamW(named, { lr: 0.02 });

// Two classes: inside and outside a circle.
const points = Float32Array.from({ length: 512 }, () => 2 * engine.generator.uniform() - 1);
const labels = Int32Array.from({ length: 256 }, (_, i) => Number(Math.hypot(points[2 * i], points[2 * i + 1]) < 0.7));
const x = engine.tensor(points, [256, 2]);
const y = engine.tensor(labels, [256]);

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
engine.backend.destroy(); // step 0: 0.6756 … step 300: 0.0221
