/** Child process of gmtl: `gmtl.js <orders> [eager]`. */
import { createEngine } from '../../../src/engine/node/createEngine.ts';
import { describeAdapter, readAdapterInfo } from '../../../src/engine/gpu/classify.ts';
import { GpuBackend } from '../../../src/engine/ops/gpuBackend.ts';
import { serve } from '../child.ts';
import { gmtlEngine } from '../gmtl.ts';

await serve(async () => {
  const engine = await createEngine();
  const { backend } = engine;
  if (!(backend instanceof GpuBackend)) throw new Error('the engine has no GPU backend');
  const adapter = describeAdapter(readAdapterInfo(backend.gpu.info));
  return gmtlEngine(engine, process.argv[3] !== 'eager', { adapter });
});
