/** Tier: any adapter, built command line. Every command meets careless input with one clear message, a documented exit code, no stack trace, nothing half-written. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors } from '../src/engine/node/safetensorsFile.ts';
import { readHeader } from '../src/retina/data/pictures/openPicture.ts';
import type { InferResult } from '../src/retina/predict/result.ts';
import {
  imagePathA,
  imagePathB,
  labelsCsv,
  labelsPath,
  maskPath,
  tiffBytes,
  tinyFundus,
  writeTinyIdrid,
} from '../src/retina/data/testsupport.ts';
import { gmtlHere, keepAdapter, type Outcome } from './testsupport.ts';

const repository = fileURLToPath(new URL('..', import.meta.url));
const program = join(repository, 'dist', 'cli', 'main.js');
let root = '';
let set = '';
const at = (...parts: string[]): string => join(root, ...parts);

/** Compiles the program only if a source is newer. */
function buildIfStale(): void {
  const built = existsSync(program) ? statSync(program).mtimeMs : 0;
  const stale = ['src', 'cli', 'bench'].some((folder) =>
    readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' }).some(
      (file) => /(?<!\.test)\.ts$/.test(file) && statSync(join(repository, folder, file)).mtimeMs > built,
    ),
  );
  if (stale) {
    const compiler = join(repository, 'node_modules', 'typescript', 'bin', 'tsc');
    // Type errors are left to the type check; the compiler emits regardless.
    spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: repository });
  }
}

function gmtl(...words: string[]): Promise<Outcome> {
  return new Promise((done) => {
    const child = execFile(process.execPath, [program, ...words], { timeout: 240_000 }, (_error, stdout, stderr) =>
      done({ code: child.exitCode, stdout, stderr }),
    );
  });
}

/** Runs a command whose outputs are closed by their reader after the first piece. */
function unread(...words: string[]): Promise<{ code: number | null; stderr: string }> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [program, ...words], {});
    let stderr = '';
    child.stderr.on('data', (piece: Buffer) => {
      stderr += piece.toString();
      child.stdout.destroy();
      child.stderr.destroy();
    });
    child.on('exit', (code) => done({ code, stderr }));
  });
}

/** Runs the command in this process and expects it to fail as a user would want it to. */
async function refuses(words: readonly string[], message: RegExp, code = 1): Promise<Outcome> {
  return expectRefusal(await gmtlHere(...words), words, message, code);
}

function expectRefusal(outcome: Outcome, words: readonly string[], message: RegExp, code: number): Outcome {
  const said = `gmtl ${words.join(' ')}\n${outcome.stdout}\n${outcome.stderr}`;
  expect(outcome.code, said).toBe(code);
  expect(`${outcome.stdout}\n${outcome.stderr}`, said).toMatch(message);
  expect(said).not.toMatch(/\n\s+at .*:\d+:\d+\)?\n|unexpected error/);
  expect(outcome.stderr.match(/^error: /gm)?.length ?? 0, said).toBeLessThanOrEqual(1);
  return outcome;
}

/** The weights file of a run's best checkpoint, relative to the working folder. */
function weightsOf(run: string): string {
  const names = readdirSync(at(run, 'checkpoints'));
  return join(run, 'checkpoints', names.find((name) => /^best-step.*-[0-9a-f]+\.safetensors$/.test(name))!);
}

/** A copy of the tiny data set with one thing wrong. */
function damaged(name: string, damage: (folder: string) => void): string {
  cpSync(set, at(name), { recursive: true });
  damage(at(name));
  return at(name);
}

const TINY = [
  ...['--preset', 'demo', '--epochs', '1', '--adapter', 'software'],
  ...['model.trunk={"depths":[1,1,1,1],"dims":[8,8,8,8]}', 'model.decoderChannels=[8,8,8,8]'].flatMap((item) => [
    '--set',
    item,
  ]),
  ...['data.imageSize=32', 'data.segmentationPerBatch=1', 'data.classificationPerBatch=1'].flatMap((item) => [
    '--set',
    item,
  ]),
  ...['--set', 'training.stepsPerEpoch=2'],
];

beforeAll(async () => {
  buildIfStale();
  root = await mkdtemp(join(tmpdir(), 'gmtl-bad-'));
  process.chdir(root);
  process.env.GMTL_CACHE_DIR = at('cache');
  set = at('set');
  await writeTinyIdrid(set);
  mkdirSync(at('empty'));
  writeFileSync(at('eye.jpg'), await tinyFundus(5));
  writeFileSync(at('cut.jpg'), readFileSync(at('eye.jpg')).subarray(0, 700));
  writeFileSync(at('model.pth'), 'PK\u0003\u0004archive/data.pkl');
  writeFileSync(at('other.json'), '{"a":1}');
  writeFileSync(at('unknown.json'), '{"optimizer":{"learning":1}}');
});
// The cache folder is named by then.
keepAdapter('software');
beforeAll(async () => {
  const { code, stderr } = await gmtlHere('train', '--data', set, '--out', at('run'), ...TINY);
  expect(code, stderr).toBe(0);
});
afterAll(() => {
  process.chdir(repository);
  rmSync(root, { recursive: true, force: true });
});

describe('bad input, refused before an adapter is opened', () => {
  it('train: what cannot be read or is not known', async () => {
    await refuses(['train', '--data', at('nowhere')], /no data set at .*nowhere/);
    await refuses(['train', '--data', at('empty')], /empty holds no IDRiD images/);
    await refuses(['train', '--data', at('other.json')], /other\.json must hold a non-empty list/);
    await refuses(
      ['train', '--data', set, '--set', 'optimizer.lrr=1'],
      /unknown setting "optimizer\.lrr".*"optimizer\.lr"/,
      2,
    );
    await refuses(
      ['train', '--data', set, '--config', at('unknown.json')],
      /unknown setting "optimizer\.learning".*unknown\.json/,
      2,
    );
    await refuses(['train', '--data', set, '--epochs', '0'], /training\.epochs = 0/, 2);
    expect(existsSync(at('runs'))).toBe(false);
  });

  it('train: an option given twice, or without its value', async () => {
    await refuses(['train', '--data', set, '--out'], /--out is empty; give it a value/);
    await refuses(['train', '--data', set, '--out', at('a'), '--out', at('b')], /--out is given 2 times/);
    await refuses(['train', '--data', set, '--epochs', 'many'], /--epochs needs a number/);
  });

  it('places where nothing can be made, weights that are not there, pipes: named at once, and none waits', async () => {
    await refuses(
      ['train', '--data', set, '--init', at('nowhere.pth'), '--out', at('not')],
      /nowhere\.pth: no such file/,
    );
    await refuses(['data', 'synth', at('none'), '--seg-train', '0', '--cls-train', '0'], /both 0/);
    await refuses(['data', 'prepare', set, '--seed', '1.5', '-o', at('seeded.json')], /seed .* is 1\.5/);
    if (process.platform !== 'linux') return;
    // Node's own mkdir tries for ever there.
    await refuses(['infer', at('eye.jpg'), '--run', at('run'), '--out', '/proc/x'], /cannot write \/proc\/x/);
    await refuses(['evaluate', at('run'), '--report', '/dev/null'], /--report: \/dev\/null is a pipe, socket or/);
    symlinkSync('loop', at('loop'));
    await refuses(['export', at('run'), '--format', 'onnx', '--out', at('loop')], /cannot write .*loop: ELOOP/);
    spawnSync('mkfifo', [at('pipe.jpg')]);
    await refuses(['data', 'verify', at('pipe.jpg')], /pipe\.jpg is a pipe/);
    await expect(readHeader(at('pipe.jpg'), 'pipe.jpg')).rejects.toThrow(/it is not a file/);
    await expect(readSafetensors(at('pipe.jpg'))).rejects.toThrow(/is a device, pipe or socket/);
    rmSync(at('pipe.jpg'));
  });

  it('B41: a repeated option is refused whatever its type, value and alias', async () => {
    const train = ['train', '--data', set, '--out', at('repeated'), ...TINY.slice(0, 2)];
    await refuses([...train, '--epochs', '2', '--epochs', '1'], /--epochs is given 2 times/);
    await refuses([...train, '--epochs=1', '--epochs', '1', '--epochs', '1'], /--epochs is given 3 times/);
    await refuses([...train, '--verify', '--no-verify'], /--verify is given 2 times/);
    await refuses([...train, '--skip-bad=maybe'], /--skip-bad=maybe: leave the value out, or give true or false/);
    await refuses([...train, '--verify='], /--verify=: leave the value out/);
    // It made a configuration for each fold before it counted the pictures, until memory ended.
    await refuses(
      ['train', '--data', set, '--folds', '1000000000'],
      /1000000000 folds, but only \d+ training pictures/,
    );
    await refuses(['infer', 'eye.jpg', '--run', 'run', '--checkpoint', 'run'], /--run is given 2 times/);
    await refuses(['data', 'prepare', set, '-o', at('a.json'), '--output', at('b.json')], /--output is given 2 times/);
    await refuses(['data', 'verify', set, '--images', 'a', '--images', 'b'], /--images is given 2 times/);
    expect(existsSync(at('repeated'))).toBe(false);
  });

  it('train: run folders that are none, in use or not writable', async () => {
    await refuses(['train', '--data', set, '--out', at('run')], /run: the folder is not empty/);
    await refuses(['train', '--data', set, '--out', at('eye.jpg')], /cannot write .*eye\.jpg/);
    await refuses(['train', '--resume', at('empty')], /empty: no run folder/);
    await refuses(
      ['train', '--resume', at('run'), '--epochs', '9'],
      /--resume goes on with the run as it was configured/,
    );
  });

  it('data: labels and masks that fit no picture', async () => {
    const range = damaged('set-range', (folder) =>
      writeFileSync(
        labelsPath(folder, 'train'),
        labelsCsv([
          [0, 0],
          [7, 1],
          [4, 2],
          [0, 0],
        ]),
      ),
    );
    await refuses(['data', 'prepare', range, '-o', at('range.json')], /Training Labels\.csv.*(row|line) 3.*7/is);
    const row = damaged('set-row', (folder) => rmSync(imagePathB(folder, 'train', 2)));
    await refuses(['data', 'prepare', row, '-o', at('row.json')], /IDRiD_002/);
    const mask = damaged('set-mask', (folder) => rmSync(imagePathA(folder, 'train', 2)));
    await refuses(['data', 'prepare', mask, '-o', at('mask.json')], /IDRiD_02/);
    await refuses(['data', 'prepare', set, '-o', at('eye.jpg', 'x.json')], /cannot write .*x\.json/);
    await refuses(['data', 'verify', at('empty')], /empty holds no IDRiD images/);
    await refuses(['data', 'verify', set, '--images', at('empty')], /is a folder.*leave .*empty out/);
    await refuses(['merge', set, ''], /a folder has an empty name/);
    await refuses(['merge', set, '--manifest', at('nowhere.csv')], /nowhere\.csv: no such file/);
    expect(readdirSync(root).filter((name) => /^(range|row|mask)\.json/.test(name))).toEqual([]);
  });

  it('infer: checkpoints that are none', async () => {
    const weights = weightsOf('run');
    await refuses(['infer', 'eye.jpg'], /no trained network.*gmtl train/);
    await refuses(['infer', 'eye.jpg', '--run', 'eye.jpg'], /eye\.jpg: not a safetensors file; it is a JPEG/);
    await refuses(['infer', 'eye.jpg', '--run', 'model.pth'], /model\.pth: not a safetensors file.*\.pth/);
    await refuses(['infer', 'eye.jpg', '--run', 'other.json'], /other\.json: .*no checkpoint manifest/);
    await refuses(['infer', 'eye.jpg', '--run', weights], /--config FILE/);
    await refuses(['infer', 'empty', '--run', 'run'], /empty: the folder is empty/);
    expect(existsSync(at('infer'))).toBe(false);
  });

  it('B36: an evaluation does not replace what inference wrote, nor the logs of the run', async () => {
    cpSync(at('run'), at('run-logged'), { recursive: true });
    const log = readFileSync(at('run-logged', 'misroutes.csv'), 'utf8');
    await refuses(['evaluate', at('run-logged'), '--report', at('run-logged')], /misroutes\.csv is there already/);
    expect(readFileSync(at('run-logged', 'misroutes.csv'), 'utf8')).toBe(log);
    mkdirSync(at('mine'));
    for (const kind of ['MA', 'OD']) writeFileSync(at('mine', `eye_${kind}.png`), 'drawn by hand');
    const words = ['infer', 'eye.jpg', '--run', 'run', '--out', 'mine', '--task', 'classification', '--overwrite'];
    await refuses(words, /eye_MA\.png is there already.*no record/);
    expect(readFileSync(at('mine', 'eye_OD.png'), 'utf8')).toBe('drawn by hand');
    const picture = readFileSync(at('eye.jpg'));
    await refuses(['data', 'prepare', set, '-o', at('eye.jpg')], /eye\.jpg is there already/);
    expect(readFileSync(at('eye.jpg'))).toEqual(picture);
  });

  it('words and options that no command has: the nearest one is named', async () => {
    await refuses(['train', '--epocs', '3'], /Unknown option --epocs\. Did you mean --epochs\?/);
    await refuses(['infer', '--rn', 'run', '--xyzzy'], /Unknown options --rn, --xyzzy\. Did you mean --run\?/);
    await refuses(['train', 'sideways'], /Unknown word "sideways"/);
    await refuses(['sideways'], /Unknown word "sideways"/);
    await refuses(['trian'], /Did you mean train\?/);
  });

  it('train: a setting that is left out', async () => {
    await refuses(['train', '--preset', 'demo', '--set'], /Not enough arguments following: set\. .*--help/);
  });

  it('evaluate: foreign and damaged runs', async () => {
    await refuses(['evaluate', at('nowhere')], /nowhere: no run folder/);
    await refuses(['evaluate', at('run'), '--checkpoint', 'third'], /no checkpoint named "third".*last\.json/);
    cpSync(at('run'), at('run-damaged'), { recursive: true });
    const weights = weightsOf('run-damaged');
    writeFileSync(at(weights), readFileSync(at(weights)).subarray(0, 500));
    await refuses(['evaluate', at('run-damaged')], /has 500 bytes, its manifest says/);
  });
});

describe('bad input', { concurrent: true }, () => {
  it('B44: where nobody reads the output, pictures are finished and a training trains on', async () => {
    mkdirSync(at('many'));
    for (const name of ['a', 'b', 'c', 'd']) cpSync(at('eye.jpg'), at('many', `${name}.jpg`));
    const infer = await unread('infer', 'many', '--run', 'run', '--out', 'unread', '--adapter', 'software');
    expect(infer).toEqual({ code: 0, stderr: expect.not.stringMatching(/EPIPE|unexpected|\n\s+at /) });
    expect(readFileSync(at('unread', 'predictions.csv'), 'utf8').trim().split('\n')).toHaveLength(5);
    const steps = [...TINY, '--set', 'training.stepsPerEpoch=5'];
    const train = await unread('train', '--data', set, '--out', at('unread-run'), ...steps);
    expect(train).toEqual({ code: 0, stderr: expect.not.stringMatching(/EPIPE|unexpected|\n\s+at /) });
    expect(existsSync(at('unread-run', 'finished.json'))).toBe(true);
    expect(existsSync(at('unread-run', 'run.lock'))).toBe(false);
  });

  it.skipIf(process.platform !== 'linux')(
    'where the disk that the output goes to is full, pictures are finished, and the exit code tells',
    () => {
      const words = ['infer', '--run', 'run', '--out', 'full', '--adapter', 'software', '--', '-eye.jpg', 'eye.jpg'];
      cpSync(at('eye.jpg'), at('-eye.jpg'));
      const full = openSync('/dev/full', 'w');
      const { status, stderr } = spawnSync(process.execPath, [program, ...words], {
        cwd: root,
        stdio: ['ignore', full, 'pipe'],
        encoding: 'utf8',
      });
      closeSync(full);
      expect(stderr).toMatch(/warning: standard output cannot be written \(ENOSPC/);
      expect(stderr).not.toMatch(/\n\s+at /);
      expect(status).toBe(75);
      expect(readFileSync(at('full', 'predictions.csv'), 'utf8').trim().split('\n')).toHaveLength(3);
    },
  );

  it.skipIf(process.platform === 'win32')('in a folder that is gone: one message', () => {
    const script = 'mkdir gone && cd gone && rmdir ../gone && exec "$0" "$@"';
    const words = ['-c', script, process.execPath, program, 'doctor'];
    const { status, stderr } = spawnSync('sh', words, { cwd: root, encoding: 'utf8' });
    expect(stderr).toBe('error: the folder that this shell is in is gone: change into another\n');
    expect(status).toBe(1);
  });

  it('doctor: an adapter that is not there', async () => {
    const words = ['doctor', '--adapter', 'abacus'];
    expectRefusal(await gmtl(...words), words, /No adapter fits "abacus"/, 4);
  });
});

describe('bad input, met when an adapter is open', () => {
  it('train: an adapter that is not there leaves no run behind', async () => {
    await refuses(['train', '--data', set, '--out', at('lost'), '--adapter', 'abacus'], /No adapter fits "abacus"/, 4);
    expect(existsSync(at('lost'))).toBe(false);
  });

  it('train: a batch the adapter cannot hold leaves no run behind', async () => {
    const large = ['data.segmentationPerBatch=400', 'data.imageSize=512'].flatMap((item) => ['--set', item]);
    const message = /a batch of 401 images of 512x512 takes .*lower data\.segmentationPerBatch/;
    await refuses(['train', '--data', set, '--out', at('large'), ...TINY, ...large], message);
    expect(existsSync(at('large'))).toBe(false);
  });

  it('train: a truncated picture and a mask of another size are named', async () => {
    const cut = damaged('set-cut', (folder) => {
      for (const number of [1, 2, 3, 4])
        writeFileSync(imagePathB(folder, 'train', number), readFileSync(at('cut.jpg')));
    });
    await refuses(
      ['train', '--data', cut, '--out', at('run-cut'), ...TINY],
      /Cannot decode the image .*IDRiD_00\d\.jpg/,
    );
    expect(existsSync(at('run-cut'))).toBe(false);
    const small = tiffBytes({
      width: 8,
      height: 8,
      values: new Array<number>(64).fill(1),
      bits: 8,
      photometric: 1,
      compression: 'none',
    });
    const odd = damaged('set-odd', (folder) => {
      for (const number of [1, 2, 3]) writeFileSync(maskPath(folder, 'train', number, 'EX'), small);
    });
    await refuses(['train', '--data', odd, '--out', at('run-odd'), ...TINY], /IDRiD_0\d_EX\.tif.*8x8/);
  });

  it('evaluate: a file that cannot be written', async () => {
    await refuses(
      ['evaluate', at('run'), '--adapter', 'software', '--json', at('eye.jpg', 'x.json')],
      /cannot write .*x\.json/,
    );
  });

  it('B04: weights that are not finite give no answer', async () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const bytes = readFileSync(at(weightsOf('run')));
      const end = 8 + Number(bytes.readBigUInt64LE(0));
      const header = JSON.parse(bytes.toString('utf8', 8, end)) as Record<string, { data_offsets?: [number, number] }>;
      const [name, { data_offsets }] = Object.entries(header).find(([, entry]) => entry.data_offsets !== undefined)!;
      bytes.writeFloatLE(value, end + data_offsets![0]);
      writeFileSync(at('poisoned.safetensors'), bytes);
      const words = ['infer', 'eye.jpg', '--run', 'poisoned.safetensors', '--config', join('run', 'config.json')];
      words.push('--adapter', 'software');
      await refuses(
        [...words, '--out', 'poisoned'],
        new RegExp(`the weight ${name.replaceAll('.', '\\.')} is ${value}`),
      );
    }
  });

  it('B43: a black testing picture stops a training before its first step; --skip-bad leaves it out everywhere', async () => {
    const black = await sharp({ create: { width: 96, height: 64, channels: 3, background: '#030303' } })
      .jpeg()
      .toBuffer();
    const dark = damaged('set-dark', (folder) => writeFileSync(imagePathA(folder, 'test', 4), black));
    await refuses(
      ['train', '--data', dark, '--out', at('run-dark'), ...TINY],
      /IDRiD_04\.jpg shows no field of view.*--skip-bad/s,
    );
    expect(existsSync(at('run-dark'))).toBe(false);
    const { code, stderr } = await gmtlHere('train', '--data', dark, '--out', at('run-dark'), '--skip-bad', ...TINY);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/skipped .*IDRiD_04\.jpg/)]);
    const scored = await gmtlHere('evaluate', at('run-dark'), '--adapter', 'software');
    expect([scored.code, scored.stderr]).toEqual([0, expect.stringMatching(/skipped .*IDRiD_04\.jpg/)]);
  });

  it('infer: a damaged picture among good ones does not stop them', async () => {
    mkdirSync(at('eyes'));
    cpSync(at('eye.jpg'), at('eyes', 'a.jpg'));
    cpSync(at('cut.jpg'), at('eyes', 'b.jpg'));
    await sharp({ create: { width: 90, height: 60, channels: 3, background: 'black' } })
      .png()
      .toFile(at('eyes', 'c.png'));
    const words = ['infer', 'eyes', '--run', 'run', '--task', 'both', '--out', 'seen', '--adapter', 'software'];
    // As a program: its exit code tells after an adapter was opened and given back.
    const { code, stdout, stderr } = await gmtl(...words);
    expect(code, stderr).toBe(3);
    const lines = stdout
      .trim()
      .split('\n')
      .map(
        (line) =>
          JSON.parse(line) as Partial<InferResult> & { file: string; error?: { code: string; message: string } },
      );
    expect(lines.map(({ file, error }) => [file, error?.code])).toEqual([
      [join('eyes', 'a.jpg'), undefined],
      [join('eyes', 'b.jpg'), 'data/image-unreadable'],
      [join('eyes', 'c.png'), 'infer/no-fundus'],
    ]);
    expect(stderr).toMatch(/2 of 3 images failed/);
    expect(readdirSync(at('seen')).sort()).toEqual([
      '.gmtl-files.jsonl',
      ...['EX', 'HE', 'MA', 'OD', 'SE', 'overlay'].map((kind) => `a_${kind}.png`),
      'predictions.csv',
      'predictions.jsonl',
    ]);
    const table = parse(readFileSync(at('seen', 'predictions.csv'), 'utf8'), { columns: true }) as Record<
      string,
      string
    >[];
    expect(table.map(({ file, error }) => [file, error])).toEqual(
      lines.map(({ file, error }) => [file, error?.message ?? '']),
    );
    const [seen] = lines;
    expect(table[0]).toMatchObject({
      retinopathy: String(seen.retinopathy?.grade),
      retinopathy_p4: String(seen.retinopathy?.probabilities[4]),
      edema_p2: String(seen.edema?.probabilities[2]),
      MA_pixels: String(seen.lesions?.MA?.pixels),
      gate: seen.gate?.task,
    });
    expect(table[1]).toMatchObject({ retinopathy: '', MA_pixels: '' });
    await refuses(words, /a_overlay\.png is there already.*--overwrite/);
  });
});

describe('what is on standard input, and what is not the command’s own', () => {
  it('infer: a lone - is a list of pictures: it was left out, and the pictures with it', async () => {
    const words = ['infer', '-', '--run', at('run'), '--out', at('listed'), '--adapter', 'software', '--no-masks'];
    const listed = spawnSync(process.execPath, [program, ...words], {
      input: `${at('eye.jpg')}\r\n\n`,
      encoding: 'utf8',
    });
    expect(listed.status, listed.stderr).toBe(0);
    expect(readFileSync(at('listed', 'predictions.csv'), 'utf8')).toContain(at('eye.jpg'));
    const empty = spawnSync(process.execPath, [program, ...words], { input: '', encoding: 'utf8' });
    expect(empty.status).toBe(1);
    expect(empty.stderr).toMatch(/error: standard input names no picture: give a path a line/);
    await refuses(['infer', at('eye.jpg'), '--out', '-'], /--out is -; give it a value/);
  });

  it('bench step --plan, bench all and export --overwrite replace no file of the user’s', async () => {
    mkdirSync(at('strangers'));
    for (const name of ['plan.json', 'results.json', 'run.py']) writeFileSync(at('strangers', name), '{"mine":1}');
    await refuses(
      ['bench', 'step', '--plan', '--json', at('strangers', 'plan.json')],
      /plan.json is there already, and is not gmtl bench's own/,
    );
    await refuses(
      ['bench', 'all', '--out', at('strangers'), '--minutes', '0.001'],
      /results.json is there already, and is not gmtl bench's own/,
    );
    await refuses(
      ['export', at('run'), '--format', 'onnx', '--out', at('strangers'), '--overwrite'],
      /run.py is there already, and is not gmtl export's own/,
    );
    expect(readdirSync(at('strangers')).sort()).toEqual(['plan.json', 'results.json', 'run.py']);
    for (const name of ['plan.json', 'results.json', 'run.py'])
      expect(readFileSync(at('strangers', name), 'utf8')).toBe('{"mine":1}');
  });
});

it('enqueue, worker: what is no address of a queue is said without its password: a port of 99999 was called a fault in gmtl', async () => {
  const addresses = [
    'redis://:secret@h:99999',
    'redis://u:se/cret@h',
    'redis://:secret@',
    'redis://u:secret@h/x',
    'http://:secret@h',
    'redis://',
    'h',
  ];
  for (const address of addresses) {
    for (const words of [
      ['enqueue', at('eye.jpg')],
      ['worker', '--run', at('run')],
    ]) {
      const { stderr } = await refuses(
        [...words, '--queue', address],
        /give the address of a queue as redis:\/\/host:6379/,
      );
      expect(stderr).not.toMatch(/secret|cret/);
    }
  }
  // Timers of Node end at 24 days, and longer ones at once.
  await refuses(
    ['worker', '--run', at('run'), '--queue', 'redis://h', '--lock-seconds', '1e12'],
    /--lock-seconds 1000000000000: give 1 to 86400/,
  );
  await refuses(
    ['enqueue', at('eye.jpg'), '--queue', 'redis://h', '--name', 'a:b'],
    /the queue's name "a:b" is empty or has a colon/,
  );
});
