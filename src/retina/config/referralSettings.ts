/** Settings of referrals given after training: the only part of a run's configuration that an evaluation may change. */
import { GmtlError } from '../../engine/errors.ts';
import { parseOverrides, validateConfig } from './resolve.ts';
import type { TrainConfig } from './schema.ts';

/**
 * The configuration with `referral.…=value` settings over its own.
 * @throws GmtlError `config/override` for settings of other sections, and as `resolveConfig`.
 */
export function withReferralSettings(config: TrainConfig, settings: readonly string[]): TrainConfig {
  const { referral = {}, ...others } = parseOverrides(settings);
  const [other] = Object.keys(others);
  if (other !== undefined) {
    throw new GmtlError(
      'config/override',
      `the section "${other}" was decided when the run was trained: an evaluation can set referral.retinopathy, referral.edema, referral.sensitivity and the others of that section alone`,
    );
  }
  const merged = typeof referral === 'object' ? { ...config.referral, ...referral } : referral;
  return validateConfig({ ...config, referral: merged }, 'the run and the command line');
}
