/** Cuts the elements of gradients. */
import type { Tensor } from '../autograd/tensor.ts';
import { type GivenParameter, nameParameters, requireSetting } from './parameters.ts';

/**
 * Cuts every element of the gradients to [-value, value], as torch.nn.utils.clip_grad_value_. Parameters without a gradient are skipped.
 * @throws GmtlError `optim/setting` where the value is not above 0.
 */
export function clipGradValue(parameters: Iterable<GivenParameter>, value: number): void {
  requireSetting('the value to clip gradients to', value, Number.isFinite(value) && value > 0);
  const cut = new Map<Tensor, Tensor>();
  for (const { tensor } of nameParameters(parameters)) {
    const { grad, engine } = tensor;
    if (!grad) continue;
    const clamped = cut.get(grad) ?? engine.noGrad(() => grad.clamp(-value, value)).keep();
    cut.set(grad, clamped);
    tensor.grad = clamped;
  }
  for (const grad of cut.keys()) grad.dispose();
}
