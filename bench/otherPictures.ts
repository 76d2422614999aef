#!/usr/bin/env node
/** Draws pictures that are not fundus photographs into a folder, for bench/gradability.js: the same ones from the same seed. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { KeyedRandom, STREAMS } from '../src/retina/random.ts';
import { svgToPng } from '../src/retina/report/svg.ts';
import { makeFolders } from '../src/engine/node/atomic.ts';

const args = await yargs(hideBin(process.argv))
  .usage('node dist/bench/otherPictures.js FOLDER')
  .option('each', { type: 'number', default: 12, describe: 'Pictures of each kind' })
  .option('seed', { type: 'number', default: 0 })
  .demandCommand(1, 'Name a folder.')
  .strictOptions().argv;

const [WIDTH, HEIGHT] = [640, 480];

/** Draws by chance. */
class Chance {
  readonly #random: KeyedRandom;
  constructor(kind: number, index: number) {
    this.#random = new KeyedRandom(args.seed, STREAMS.sample, kind, index);
  }
  between(low: number, high: number): number {
    return low + (high - low) * this.#random.uniform();
  }
  color(hue = this.between(0, 360), light = this.between(25, 75)): string {
    return `hsl(${hue.toFixed(0)}, ${this.between(30, 90).toFixed(0)}%, ${light.toFixed(0)}%)`;
  }
  times<T>(count: number, make: (index: number) => T): T[] {
    return Array.from({ length: Math.round(count) }, (_, index) => make(index));
  }
}

const WORDS = 'the quick brown fox jumps over a lazy dog while seven wizards box quietly beyond every misty zone'.split(
  ' ',
);
const rect = (x: number, y: number, width: number, height: number, fill: string): string =>
  `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${fill}"/>`;
const ball = (x: number, y: number, radius: number, fill: string, more = ''): string =>
  `<circle cx="${x}" cy="${y}" r="${radius}" fill="${fill}" ${more}/>`;
const ground = (fill: string): string => rect(0, 0, WIDTH, HEIGHT, fill);
const shades = (id: string, kind: 'linear' | 'radial', ...colors: string[]): string =>
  `<${kind}Gradient id="${id}">${colors.map((color, at) => `<stop offset="${at / (colors.length - 1)}" stop-color="${color}"/>`).join('')}</${kind}Gradient>`;
const noise = (chance: Chance, frequency: number): string =>
  `<filter id="n" x="0" y="0" width="1" height="1"><feTurbulence type="fractalNoise" baseFrequency="${frequency.toFixed(4)}" numOctaves="5" seed="${Math.floor(chance.between(0, 1e4))}"/><feComposite operator="in" in2="SourceGraphic"/></filter>`;

/** What is drawn, hardest last: a lit disc on black is what a field of view is looked for by. */
const KINDS: Readonly<Record<string, (chance: Chance) => string>> = {
  text: (chance) =>
    ground('#fff') +
    chance
      .times(chance.between(12, 22), (line) => {
        const words = chance.times(9, () => WORDS[Math.floor(chance.between(0, WORDS.length))]).join(' ');
        return `<text x="30" y="${40 + 20 * line}" font-size="15" fill="#222">${words}</text>`;
      })
      .join(''),
  chart: (chance) =>
    ground('#fff') +
    chance.times(9, (bar) => rect(40 + 64 * bar, chance.between(60, 400), 44, 480, chance.color())).join('') +
    `<polyline fill="none" stroke="#222" stroke-width="3" points="${chance.times(20, (at) => `${40 + 30 * at},${chance.between(40, 440)}`).join(' ')}"/>`,
  gradient: (chance) =>
    `<defs>${shades('g', chance.between(0, 1) < 0.5 ? 'linear' : 'radial', chance.color(), chance.color(), chance.color())}</defs>${ground('url(#g)')}`,
  texture: (chance) =>
    `<defs>${noise(chance, chance.between(0.005, 0.2))}</defs>${ground(chance.color())}<g filter="url(#n)">${ground('#fff')}</g>`,
  face: (chance) => {
    const [x, y, skin] = [chance.between(240, 400), chance.between(200, 280), chance.color(chance.between(15, 35))];
    const eyes = [-50, 50].map((side) => ball(x + side, y - 30, 18, '#fff') + ball(x + side, y - 30, 8, '#321'));
    return `${ground(chance.color())}<ellipse cx="${x}" cy="${y}" rx="125" ry="165" fill="${skin}"/>${eyes.join('')}<path d="M ${x - 50} ${y + 70} q 50 ${chance.between(10, 50)} 100 0" stroke="#a33" stroke-width="9" fill="none"/>`;
  },
  landscape: (chance) =>
    `<defs>${shades('g', 'linear', chance.color(210, 80), chance.color(30, 70))}${noise(chance, 0.03)}</defs>${ground('url(#g)')}${ball(chance.between(80, 560), 90, 40, '#fe9')}` +
    chance
      .times(
        4,
        (hill) =>
          `<path d="M 0 ${260 + 50 * hill} q 160 ${-chance.between(20, 180)} 320 0 t 320 0 V 480 H 0 Z" fill="${chance.color(chance.between(80, 150), 45 - 8 * hill)}"/>`,
      )
      .join('') +
    `<g filter="url(#n)" opacity=".3">${rect(0, 300, WIDTH, 180, '#fff')}</g>`,
  icon: (chance) =>
    ground('#fff') +
    chance
      .times(5, () => ball(chance.between(200, 440), chance.between(150, 330), chance.between(30, 120), chance.color()))
      .join(''),
  ball: (chance) =>
    `<defs>${shades('g', 'radial', chance.color(chance.between(5, 45), 65), chance.color(chance.between(5, 45), 40))}</defs>${ground('#000')}${ball(320, 240, chance.between(180, 235), 'url(#g)')}`,
  planet: (chance) =>
    `<defs>${shades('g', 'radial', chance.color(chance.between(5, 45), 60), chance.color(chance.between(5, 45), 35))}${noise(chance, chance.between(0.01, 0.08))}</defs>${ground('#000')}${ball(320, 240, 225, 'url(#g)')}${ball(320, 240, 225, '#fff', `filter="url(#n)" opacity="${chance.between(0.2, 0.6)}"`)}`,
};

const folder = String(args._[0]);
makeFolders(folder);
for (const [kind, [name, draw]] of Object.entries(KINDS).entries()) {
  for (let index = 0; index < args.each; index++) {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}">${draw(new Chance(kind, index))}</svg>`;
    writeFileSync(join(folder, `${name}-${String(index + 1).padStart(2, '0')}.png`), svgToPng(svg));
  }
}
console.log(`${args.each * Object.keys(KINDS).length} pictures: ${folder}`);
