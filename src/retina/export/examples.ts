/** The examples that are written beside an exported model: short programs that run it on a photograph. */
import type { TrainConfig } from '../config/schema.ts';

export interface ExampleOf {
  /** File name of the model: an ONNX file, or the Python file that holds a network. */
  readonly model: string;
  readonly config: TrainConfig;
  readonly facts: Readonly<Record<string, string>>;
}

/** What the JavaScript example imports, and from where. */
const IMPORTS = {
  '{ readFile }': 'node:fs/promises',
  '{ InferenceSession, Tensor }': 'onnxruntime-web',
  sharp: 'sharp',
};

const HEADER = 'Research software, not a medical device.';

/** How a Python example gets facts and outputs by name from each kind of model. */
const PYTHON_RUNTIMES = {
  onnx: {
    package: 'onnxruntime',
    imports: () => 'import numpy as np\nimport onnxruntime\nfrom PIL import Image',
    run: (model: string) => `
    session = onnxruntime.InferenceSession(str(Path(__file__).with_name('${model}')))
    facts = session.get_modelmeta().custom_metadata_map
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, {'image': image})))`,
  },
  torch: {
    package: 'torch',
    imports: (model: string) =>
      `import numpy as np\nimport torch\nfrom PIL import Image\n\nfrom ${model.replace('.py', '')} import load`,
    run: () => `
    facts = json.loads(Path(__file__).with_name('model.json').read_text(encoding='utf8'))
    with torch.no_grad():
        outputs = {name: output.numpy() for name, output in load()(torch.from_numpy(image)).items()}`,
  },
};

/** Python with onnxruntime or PyTorch, NumPy and Pillow (and OpenCV where the run was trained with CLAHE or Ben Graham's normalization). */
export function pythonExample({ model, config }: ExampleOf): string {
  const { data } = config;
  const runtime = PYTHON_RUNTIMES[model.endsWith('.py') ? 'torch' : 'onnx'];
  const needs = `${runtime.package} numpy pillow${data.clahe !== false || data.benGraham ? ' opencv-python' : ''}`;
  const clahe =
    data.clahe === false
      ? ''
      : `
    lab = cv2.cvtColor(square, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(${data.clahe.clipLimit}, (${data.clahe.tiles}, ${data.clahe.tiles})).apply(lab[..., 0].copy())
    square = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)`;
  const benGraham = data.benGraham
    ? `
    y0, y1, x0, x1 = [round(v * SIZE / side) for v in (y, y + h, x, x + w)]
    part = square[y0:y1, x0:x1].astype(int)
    blurred = cv2.GaussianBlur(square[y0:y1, x0:x1], (0, 0), SIZE / 60, borderType=cv2.BORDER_REPLICATE)
    gray = np.full_like(square, 128)
    gray[y0:y1, x0:x1] = np.clip(4 * (part - blurred) + 128, 0, 255)
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5 - SIZE / 2
    square = np.where((rows**2 + columns**2 <= (0.45 * SIZE) ** 2)[..., None], gray, np.uint8(128))`
    : '';
  return `"""Runs ${model} on a photograph: python3 THIS_FILE photo.jpg    (pip install ${needs})

${HEADER} The model's metadata tells how pictures are prepared, which thresholds masks have and what the grades are.
"""
import json
import sys
from pathlib import Path

${clahe || benGraham ? 'import cv2\n' : ''}${runtime.imports(model)}

SIZE = ${data.imageSize}


def prepare(path):
    """The square around the bright disc, padded with black and resized, [1, 3, SIZE, SIZE] in 0 ... 1."""
    picture = np.asarray(Image.open(path).convert('RGB'))
    brightest = picture.max(axis=2)
    inside = brightest > max(10, 0.1 * np.percentile(brightest, 95))
    rows, columns = [np.flatnonzero(inside.mean(axis=axis) > 0.02) for axis in (1, 0)]
    h, w = np.ptp(rows) + 1, np.ptp(columns) + 1
    side = max(h, w)
    y, x = (side - h) // 2, (side - w) // 2
    padded = np.zeros((side, side, 3), np.uint8)
    padded[y : y + h, x : x + w] = picture[rows[0] : rows[0] + h, columns[0] : columns[0] + w]
    resample = Image.LANCZOS if side > SIZE else Image.BICUBIC
    square = np.asarray(Image.fromarray(padded).resize((SIZE, SIZE), resample))${clahe}${benGraham}
    return (square / 255).astype(np.float32).transpose(2, 0, 1)[None]


def main():
    image = prepare(sys.argv[1])${runtime.run(model)}
    labels, thresholds = json.loads(facts['labels']), json.loads(facts['thresholds'])
    for task in ('retinopathy', 'edema', 'gate'):
        probabilities = outputs.get(f'{task}_probabilities')
        if probabilities is None:
            continue
        chosen = int(probabilities[0].argmax())
        if task != 'gate' and facts['grade_decision'] == 'median':
            chosen = int((probabilities[0].cumsum() < 0.5).sum())
        print(f'{task}: {labels[task][chosen]} ({probabilities[0][chosen]:.3f})')
    for index, structure in enumerate(json.loads(facts['structures'])):
        if 'mask_probabilities' in outputs:
            mask = outputs['mask_probabilities'][0, index] >= thresholds[structure]
            print(f'{structure}: {mask.mean():.4%} of the square')


if __name__ == '__main__':
    main()
`;
}

/** JavaScript for Node with onnxruntime-web and sharp. */
export function javaScriptExample({ model, config, facts }: ExampleOf): string {
  const { data } = config;
  const clahe =
    data.clahe === false
      ? ''
      : `
  // The run was trained on pictures with equalized lightness (CLAHE), which sharp lacks: see the Python example, or \`gmtl infer\`.
  if (!process.argv.includes('--prepared')) throw new Error('equalize the picture first, then add --prepared');`;
  const benGraham = data.benGraham
    ? `
  const [left, top, right, bottom] = [x, y, x + w, y + h].map((value) => Math.round((value * SIZE) / side));
  const part = { left, top, width: right - left, height: bottom - top };
  const raw = { width: SIZE, height: SIZE, channels: 3 };
  const cut = await sharp(square, { raw }).extract(part).raw().toBuffer();
  const blurred = await sharp(cut, { raw: { ...raw, width: part.width, height: part.height } })
    .blur({ sigma: SIZE / 60, precision: 'integer', minAmplitude: 0.01 }).raw().toBuffer();
  const gray = new Uint8ClampedArray(square.length).fill(128);
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      if (Math.hypot(row + 0.5 - SIZE / 2, column + 0.5 - SIZE / 2) > 0.45 * SIZE) continue;
      for (let channel = 0; channel < 3; channel++) {
        const at = 3 * (row * SIZE + column) + channel;
        gray[at] = 4 * (square[at] - blurred[3 * ((row - top) * part.width + column - left) + channel]) + 128;
      }
    }
  }
  square = gray;`
    : '';
  return `// Runs ${model} on a photograph: node THIS_FILE photo.jpg    (npm install onnxruntime-web sharp)
// ${HEADER} What stands in FACTS is in the model's metadata too.
${Object.entries(IMPORTS)
  .map(([names, from]) => `import ${names} from '${from}';`)
  .join('\n')}

const SIZE = ${data.imageSize};
const FACTS = {
  labels: ${facts.labels},
  structures: ${facts.structures},
  thresholds: ${facts.thresholds},
};

/** The square around the bright disc, padded with black and resized, [1, 3, SIZE, SIZE] in 0 … 1. */
async function prepare(path) {
  const { data, info } = await sharp(path).removeAlpha().toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
  const brightest = Uint8Array.from({ length: info.width * info.height }, (_, i) => Math.max(...data.subarray(3 * i, 3 * i + 3)));
  const threshold = Math.max(10, 0.1 * brightest.toSorted()[Math.floor(0.95 * brightest.length)]);
  const extent = (count, other, at) => {
    const bright = Array.from({ length: count }, (_, line) => {
      let sum = 0;
      for (let k = 0; k < other; k++) sum += brightest[at(line, k)] > threshold;
      return sum > 0.02 * other;
    });
    return [bright.indexOf(true), bright.lastIndexOf(true) + 1];
  };
  const [y0, y1] = extent(info.height, info.width, (row, column) => row * info.width + column);
  const [x0, x1] = extent(info.width, info.height, (column, row) => row * info.width + column);
  const [w, h] = [x1 - x0, y1 - y0];
  const side = Math.max(w, h);
  const [x, y] = [(side - w) >> 1, (side - h) >> 1];
  const padded = await sharp(data, { raw: info })
    .extract({ left: x0, top: y0, width: w, height: h })
    .extend({ top: y, bottom: side - h - y, left: x, right: side - w - x, background: 'black' }).raw().toBuffer();
  ${benGraham ? 'let' : 'const'} square = await sharp(padded, { raw: { width: side, height: side, channels: 3 } })
    .resize(SIZE, SIZE, { kernel: side > SIZE ? 'lanczos3' : 'cubic' }).raw().toBuffer();${clahe}${benGraham}
  const planes = new Float32Array(3 * SIZE * SIZE);
  for (let i = 0; i < planes.length; i++) planes[(i % 3) * SIZE * SIZE + Math.floor(i / 3)] = square[i] / 255;
  return new Tensor('float32', planes, [1, 3, SIZE, SIZE]);
}

const session = await InferenceSession.create(await readFile(new URL('${model}', import.meta.url)));
const outputs = await session.run({ image: await prepare(process.argv[2]) });
for (const task of ['retinopathy', 'edema', 'gate']) {
  const probabilities = outputs[\`\${task}_probabilities\`]?.data;
  if (!probabilities) continue;
  ${
    config.model.gradeDecision === 'median'
      ? `let below = 0;
  const median = probabilities.findIndex((p) => (below += p) >= 0.5);
  const chosen = task === 'gate' ? probabilities.indexOf(Math.max(...probabilities)) : median;`
      : `const chosen = probabilities.indexOf(Math.max(...probabilities));`
  }
  console.log(\`\${task}: \${FACTS.labels[task][chosen]} (\${probabilities[chosen].toFixed(3)})\`);
}
for (const [index, structure] of FACTS.structures.entries()) {
  const mask = outputs.mask_probabilities?.data.subarray(index * SIZE * SIZE, (index + 1) * SIZE * SIZE);
  if (!mask) continue;
  const share = mask.reduce((count, p) => count + (p >= FACTS.thresholds[structure]), 0) / mask.length;
  console.log(\`\${structure}: \${(100 * share).toFixed(4)} % of the square\`);
}
`;
}
