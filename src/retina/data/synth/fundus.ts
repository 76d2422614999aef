/** Draws one retina with the grades that are wanted. */
import { GmtlError } from '../../../engine/errors.ts';
import { type Anatomy, distance, drawAnatomy } from './anatomy.ts';
import { type Findings, type Grades, gradeFindings, type Wanted } from './labels.ts';
import { type LesionPlan, planLesions, quadrant } from './lesions.ts';
import { type LesionPlanes, type Painting, paintFundus, rasterLesions } from './paint.ts';
import { SeededRandom } from './random.ts';
import { VesselMap } from './raster.ts';
import { growVessels } from './vessels.ts';

/** A drawn retina with everything that is known about it. */
export interface Fundus extends Painting {
  readonly width: number;
  readonly height: number;
  readonly anatomy: Anatomy;
  readonly plan: LesionPlan;
  readonly findings: Findings;
  readonly grades: Grades;
}

/**
 * Draws one retina whose lesions amount to the wanted grades.
 *
 * @param key names the picture: the same key, height and options give the same pixels
 * @param height of the frame in pixels; the width is 1.5 heights
 * @throws GmtlError `data/synthetic-placement` when the lesions would not fit, which no frame of 64 pixels or more has shown
 */
export function drawFundus(key: string, height: number, wanted: Wanted): Fundus {
  const attempts = 24;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const random = new SeededRandom(`${key}/${attempt}`);
    const anatomy = drawAnatomy(random, height);
    const { disc, field } = anatomy;
    // One eye in about 2,000 would have its disc cut by the rim.
    if (distance(disc, field) + disc.radiusY > field.radius) continue;
    const vessels = growVessels(anatomy, random);
    const walls = new VesselMap(anatomy.width, anatomy.height);
    for (const { points } of vessels) walls.draw(points, 4 * anatomy.unit);
    const plan = planLesions(anatomy, walls, random, wanted);
    const planes = rasterLesions(anatomy, plan);
    const findings = examine(anatomy, plan, planes);
    const grades = gradeFindings(findings);
    if (grades.retinopathy !== wanted.retinopathy || grades.edema !== wanted.edema) continue;
    if (wanted.softExudates !== findings.softExudates > 0) continue;
    const painting = paintFundus(anatomy, vessels, plan, planes, random);
    return { ...painting, width: anatomy.width, height, anatomy, plan, findings, grades };
  }
  throw new GmtlError(
    'data/synthetic-placement',
    `synthetic image ${key}: no room for the lesions of retinopathy grade ${wanted.retinopathy}, edema grade ` +
      `${wanted.edema} in a frame ${height} pixels high after ${attempts} attempts; use another seed or a larger size`,
  );
}

/** Counts the lesions as they were placed; the exudates' distance is taken from the pixels of their mask. */
function examine(anatomy: Anatomy, plan: LesionPlan, planes: LesionPlanes): Findings {
  const hemorrhages: [number, number, number, number] = [0, 0, 0, 0];
  let microaneurysms = 0;
  let softExudates = 0;
  for (const { kind, blob } of plan.lesions) {
    if (kind === 'MA') microaneurysms++;
    if (kind === 'SE') softExudates++;
    if (kind === 'HE') hemorrhages[quadrant(anatomy, blob)]++;
  }
  let nearest = Number.POSITIVE_INFINITY;
  for (let y = 0, at = 0; y < anatomy.height; y++) {
    for (let x = 0; x < anatomy.width; x++, at++) {
      if (planes.EX[at] >= 0.5) nearest = Math.min(nearest, distance(anatomy.fovea, { x, y }));
    }
  }
  return {
    microaneurysms,
    hemorrhages,
    softExudates,
    neovascularTufts: plan.tufts.length,
    exudateDistance: Number.isFinite(nearest) ? nearest / anatomy.discDiameter : null,
  };
}
