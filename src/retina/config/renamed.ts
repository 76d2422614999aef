/** Names that configurations and logs had in earlier versions: refused with the new name where a user writes them, read where a run stored them. */

/** Old dotted path of a knob → new one. */
export const RENAMED_KNOBS: Readonly<Record<string, string>> = {
  'model.checkpoint': 'model.recompute',
  'model.lesions': 'model.structures',
  'model.retinoHidden': 'model.retinopathyHidden',
};

/** The current name of a figure or log column: `val_retinoQwk` → `val_retinopathyQwk`. Current names stay as they are. */
export function currentFigure(name: string): string {
  return name.replace(/^((?:train|val|raw)_)?retino(?=$|[A-Z])/, '$1retinopathy');
}

/** A stored configuration under current names. `values` is not changed; what is not a configuration comes back as it is. */
export function currentConfig(values: unknown): unknown {
  if (typeof values !== 'object' || values === null) return values;
  const config = structuredClone(values) as Record<string, Record<string, unknown> | undefined>;
  for (const [old, name] of Object.entries(RENAMED_KNOBS)) {
    const [section, from] = old.split('.');
    const [, to] = name.split('.');
    const knobs = config[section];
    if (typeof knobs !== 'object' || knobs === null || !Object.hasOwn(knobs, from)) continue;
    // A file that holds both was edited by hand: the old one is left for validation to refuse.
    if (Object.hasOwn(knobs, to)) continue;
    knobs[to] = knobs[from];
    delete knobs[from];
  }
  const { training } = config;
  if (typeof training === 'object' && training !== null && typeof training.bestMetric === 'string') {
    training.bestMetric = currentFigure(training.bestMetric);
  }
  return config;
}
