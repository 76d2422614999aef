#!/usr/bin/env python3
"""The workloads of bench/peers in PyTorch, for whoever has it: CPU, and where there is one CUDA (float32 with TF32 off, then AMP).

    python3 bench/peers/torch.py [--device cpu|cuda] [--workloads TEXT] [--seconds 2] [--json FILE] [--reference .cache/peers]

Needs torch 1.13 or newer and numpy. Inputs are those of inputs.ts (the same numbers, element by element) and results are held to the same
references: --reference names the folder in which bench/peers/run.js keeps them. Where it is not given or lacks a workload, float32 is held to
PyTorch in float64 on the CPU; AMP rounds to 11 bits or fewer and has a wider tolerance.
"""

# This file's own name would hide the package: its folder must not be on the path.
import sys
from pathlib import Path

sys.path = [entry for entry in sys.path if Path(entry or '.').resolve() != Path(__file__).resolve().parent]

import argparse
import json
import math
import platform
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F

EPS = 1e-6
DEPTHS, DIMS, CLASSES, BATCH, SIZE = (2, 2, 6, 2), (40, 80, 160, 320), 1000, 8, 128
LR, BETAS, ADAM_EPS, WEIGHT_DECAY = 1e-3, (0.9, 0.999), 1e-8, 0.05
FLOAT32_TOLERANCE = 1e-4
STEP_TOLERANCE = 1e-3
AMP_TOLERANCE = 3e-2

UNIT = (math.sqrt(3), 0.0)
NEAR_ONE = (0.2, 1.0)
SMALL = (0.1, 0.0)
CHECKED = [
    'stem.0.weight',
    'stages.0.blocks.0.conv_dw.weight',
    'stages.0.blocks.0.norm.weight',
    'stages.1.downsample.1.weight',
    'stages.2.blocks.3.mlp.fc1.weight',
    'stages.2.blocks.3.gamma',
    'stages.3.blocks.1.mlp.fc2.bias',
    'head.fc.weight',
]


def weight_of(fan_in):
    return (math.sqrt(3 / fan_in), 0.0)


# --- inputs: as inputs.ts ---


def bits(name, count):
    seed = 0x811C9DC5
    for byte in name.encode('ascii'):
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    with np.errstate(over='ignore'):
        x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed)
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x85EBCA6B)
        x ^= x >> np.uint32(13)
        x *= np.uint32(0xC2B2AE35)
        return x ^ (x >> np.uint32(16))


def make_input(name, shape, fill):
    count = int(np.prod(shape))
    if isinstance(fill, int):
        return torch.from_numpy((bits(name, count) % np.uint32(fill)).astype(np.int64)).reshape(shape)
    scale, shift = fill
    values = shift + scale * ((bits(name, count) >> np.uint32(8)).astype(np.float64) / 2**23 - 1)
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


# --- the workloads: as workloads.ts; shapes there are channels last ---


def workload(key, title, inputs, output, forward, layouts=None):
    """layouts: for each of x, w, y the permutation from the workload's layout to PyTorch's."""
    inputs = dict(inputs)
    if output:
        inputs['dy'] = (output, UNIT)
    return {'key': key, 'title': title, 'inputs': inputs, 'forward': forward, 'layouts': layouts or {}}


IMAGE, WEIGHT = (0, 3, 1, 2), (3, 2, 0, 1)
IMAGES = {'x': IMAGE, 'w': WEIGHT, 'y': IMAGE, 'dy': IMAGE}


def product(m, k, n):
    return workload(
        f'matmul-{m}x{k}x{n}',
        f'matmul {m}x{k}x{n}',
        {'a': ((m, k), UNIT), 'b': ((k, n), weight_of(k))},
        (m, n),
        lambda t: t['a'] @ t['b'],
    )


def convolution(title, n, size, channels, kernel, out, stride, padding):
    extent = (size + 2 * padding - kernel) // stride + 1
    return workload(
        f'conv-{kernel}x{kernel}',
        title,
        {'x': ((n, size, size, channels), UNIT), 'w': ((kernel, kernel, channels, out), weight_of(kernel**2 * channels))},
        (n, extent, extent, out),
        lambda t: F.conv2d(t['x'], t['w'], stride=stride, padding=padding),
        IMAGES,
    )


def depthwise(n, channels, size):
    shape = (n, size, size, channels)
    return workload(
        f'depthwise-c{channels}',
        f'depthwise 7x7 N{n} C{channels} {size}x{size}',
        {'x': (shape, UNIT), 'w': ((7, 7, channels), weight_of(49))},
        shape,
        lambda t: F.conv2d(t['x'], t['w'].unsqueeze(1), padding=3, groups=channels),
        {**IMAGES, 'w': (2, 0, 1)},
    )


WORKLOADS = [
    product(512, 512, 512),
    product(1024, 96, 384),
    convolution('conv 3x3 N4 32→64 56x56', 4, 56, 32, 3, 64, 1, 1),
    convolution('conv 4x4/4 N4 3→40 128x128', 4, 128, 3, 4, 40, 4, 0),
    depthwise(4, 40, 32),
    depthwise(4, 96, 56),
    workload(
        'layernorm',
        'layernorm 12544x96',
        {'x': ((12544, 96), UNIT), 'w': ((96,), NEAR_ONE), 'b': ((96,), SMALL)},
        (12544, 96),
        lambda t: F.layer_norm(t['x'], (96,), t['w'], t['b'], EPS),
    ),
    workload(
        'bilinear',
        'bilinear x2 N4 C64 28→56',
        {'x': ((4, 28, 28, 64), UNIT)},
        (4, 56, 56, 64),
        lambda t: F.interpolate(t['x'], scale_factor=2, mode='bilinear', align_corners=False),
        IMAGES,
    ),
    workload(
        'cross-entropy',
        'softmax cross-entropy 4096x1000',
        {'x': ((4096, 1000), UNIT), 'labels': ((4096,), 1000)},
        None,
        lambda t: F.cross_entropy(t['x'], t['labels']),
    ),
    workload('gelu', 'GELU 4x56x56x384', {'x': ((4, 56, 56, 384), UNIT)}, (4, 56, 56, 384), lambda t: F.gelu(t['x'])),
]


# --- ConvNeXt (Liu et al. 2022) under timm's names; parameters in the workload's layouts ---


def convnext_parameters():
    def norm(name, channels):
        yield f'{name}.weight', (channels,), NEAR_ONE
        yield f'{name}.bias', (channels,), SMALL

    yield 'stem.0.weight', (4, 4, 3, DIMS[0]), weight_of(48)
    yield 'stem.0.bias', (DIMS[0],), SMALL
    yield from norm('stem.1', DIMS[0])
    for stage, channels in enumerate(DIMS):
        if stage > 0:
            before = DIMS[stage - 1]
            yield from norm(f'stages.{stage}.downsample.0', before)
            yield f'stages.{stage}.downsample.1.weight', (2, 2, before, channels), weight_of(4 * before)
            yield f'stages.{stage}.downsample.1.bias', (channels,), SMALL
        for block in range(DEPTHS[stage]):
            prefix = f'stages.{stage}.blocks.{block}'
            yield f'{prefix}.conv_dw.weight', (7, 7, channels), weight_of(49)
            yield f'{prefix}.conv_dw.bias', (channels,), SMALL
            yield from norm(f'{prefix}.norm', channels)
            yield f'{prefix}.mlp.fc1.weight', (4 * channels, channels), weight_of(channels)
            yield f'{prefix}.mlp.fc1.bias', (4 * channels,), SMALL
            yield f'{prefix}.mlp.fc2.weight', (channels, 4 * channels), weight_of(4 * channels)
            yield f'{prefix}.mlp.fc2.bias', (channels,), SMALL
            yield f'{prefix}.gamma', (channels,), (0.1, 0.3)
    yield from norm('head.norm', DIMS[3])
    yield 'head.fc.weight', (CLASSES, DIMS[3]), weight_of(DIMS[3])
    yield 'head.fc.bias', (CLASSES,), SMALL


def to_torch(name, value):
    """A parameter in PyTorch's layout."""
    if name.endswith('conv_dw.weight'):
        return value.permute(2, 0, 1).unsqueeze(1)
    return value.permute(*WEIGHT) if value.dim() == 4 else value


def from_torch(name, value):
    if name.endswith('conv_dw.weight'):
        return value.squeeze(1).permute(1, 2, 0)
    return value.permute(2, 3, 1, 0) if value.dim() == 4 else value


def convnext(p, x):
    """Logits of images [N, 3, H, W]; channels last between the convolutions, as timm's ConvNeXtBlock."""

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], p[f'{name}.weight'], p[f'{name}.bias'], EPS)

    def norm2d(x, name):
        return norm(x.permute(0, 2, 3, 1), name).permute(0, 3, 1, 2)

    def dense(x, name):
        return F.linear(x, p[f'{name}.weight'], p[f'{name}.bias'])

    def conv(x, name, **options):
        return F.conv2d(x, p[f'{name}.weight'], p[f'{name}.bias'], **options)

    x = norm2d(conv(x, 'stem.0', stride=4), 'stem.1')
    for stage, channels in enumerate(DIMS):
        if stage > 0:
            x = conv(norm2d(x, f'stages.{stage}.downsample.0'), f'stages.{stage}.downsample.1', stride=2)
        for block in range(DEPTHS[stage]):
            name = f'stages.{stage}.blocks.{block}'
            branch = conv(x, f'{name}.conv_dw', padding=3, groups=channels).permute(0, 2, 3, 1)
            branch = dense(F.gelu(dense(norm(branch, f'{name}.norm'), f'{name}.mlp.fc1')), f'{name}.mlp.fc2')
            x = x + (branch * p[f'{name}.gamma']).permute(0, 3, 1, 2)
    return dense(norm(x.mean((2, 3)), 'head.norm'), 'head.fc')


class Step:
    """ConvNeXt-atto: forward, cross-entropy, backward, AdamW on all parameters."""

    def __init__(self, device, dtype, amp):
        key = 'convnext-atto-step'
        self.amp = amp
        self.device = device
        self.params = {}
        for name, shape, fill in convnext_parameters():
            value = to_torch(name, make_input(f'{key}/{name}', shape, fill)).to(device, dtype)
            self.params[name] = value.contiguous().requires_grad_()
        image = make_input(f'{key}/image', (BATCH, SIZE, SIZE, 3), UNIT).permute(0, 3, 1, 2)
        self.image = image.to(device, dtype).contiguous(memory_format=torch.channels_last)
        self.labels = make_input(f'{key}/labels', (BATCH,), CLASSES).to(device)
        options = {'fused': True} if device == 'cuda' and torch.__version__ >= '2' else {}
        self.optimizer = torch.optim.AdamW(
            self.params.values(), lr=LR, betas=BETAS, eps=ADAM_EPS, weight_decay=WEIGHT_DECAY, **options
        )
        self.scaler = torch.cuda.amp.GradScaler(enabled=amp)
        self.loss = None

    def run(self):
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device, enabled=self.amp, dtype=torch.float16 if self.device == 'cuda' else torch.bfloat16):
            self.loss = F.cross_entropy(convnext(self.params, self.image), self.labels)
        self.scaler.scale(self.loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def results(self):
        found = {'loss': self.loss.detach()}
        for name in CHECKED:
            # Through the first moment, which the scaler's factor has left: as the other engines are read.
            moment = self.optimizer.state[self.params[name]].get('exp_avg')
            if moment is not None:
                found[f'g:{name}'] = from_torch(name, moment / (1 - BETAS[0]))
        return {name: value.double().cpu().reshape(-1).numpy() for name, value in found.items()}


class Kernel:
    """One workload; `both` also gives every gradient."""

    def __init__(self, spec, both, device, dtype, amp):
        self.spec, self.both, self.amp, self.device = spec, both, amp, device
        self.tensors = {}
        for name, (shape, fill) in spec['inputs'].items():
            value = make_input(f"{spec['key']}/{name}", shape, fill)
            if name in spec['layouts']:
                value = value.permute(*spec['layouts'][name])
                if value.dim() == 4 and name != 'w':
                    value = value.contiguous(memory_format=torch.channels_last)
            value = value.to(device) if value.dtype == torch.int64 else value.to(device, dtype)
            if not (value.dim() == 4 and name in spec['layouts'] and name != 'w'):
                value = value.contiguous()
            self.tensors[name] = value
        self.wanted = [name for name in spec['inputs'] if name not in ('dy', 'labels')]
        self.found = {}

    def run(self):
        low = torch.float16 if self.device == 'cuda' else torch.bfloat16
        with torch.autocast(self.device, enabled=self.amp, dtype=low):
            if not self.both:
                with torch.no_grad():
                    self.found = {'y': self.spec['forward'](self.tensors)}
                return
            leaves = {name: self.tensors[name].requires_grad_() for name in self.wanted}
            y = self.spec['forward']({**self.tensors, **leaves})
        dy = self.tensors.get('dy')
        gradients = torch.autograd.grad(y, list(leaves.values()), None if dy is None else dy.to(y.dtype))
        self.found = {'y': y.detach(), **{f'd{name}': g for name, g in zip(leaves, gradients)}}

    def results(self):
        found = {}
        for name, value in self.found.items():
            order = self.spec['layouts'].get(name[1:] if name != 'y' else 'y')
            if order:
                value = value.permute(*[order.index(axis) for axis in range(len(order))])
            found[name] = value.detach().double().cpu().reshape(-1).numpy()
        return found


def make(key, pass_, device, dtype, amp):
    if pass_ == 'step':
        return Step(device, dtype, amp)
    return Kernel(next(spec for spec in WORKLOADS if spec['key'] == key), pass_ == 'both', device, dtype, amp)


# --- references ---


def read_reference(folder, key):
    """What bench/peers/run.js keeps; None where it has none. The file is named by the key and a hash of 12 digits."""
    if folder is None:
        return None
    found = [path for path in sorted(folder.glob(f'{key}-*.json')) if len(path.stem) == len(key) + 13]
    if not found:
        return None
    index = json.loads(max(found, key=lambda path: path.stat().st_mtime).read_text())
    data = np.fromfile(folder / index['data'], dtype='<f8')
    result, start = {}, 0
    for name, count in index['counts'].items():
        result[name] = data[start : start + count]
        start += count
    return result


def worst_error(got, want):
    """Largest ||got - want|| / ||want|| over all results; infinite where one is missing or not finite."""
    worst = 0.0
    for name, reference in want.items():
        if name not in got or got[name].shape != reference.shape or not np.isfinite(got[name]).all():
            return math.inf
        worst = max(worst, float(np.linalg.norm(got[name] - reference) / np.linalg.norm(reference)))
    return worst


# --- measuring ---


def synchronize(device):
    if device == 'cuda':
        torch.cuda.synchronize()


def time_once(prepared, device):
    start = time.perf_counter()
    prepared.run()
    synchronize(device)
    return (time.perf_counter() - start) * 1000


def measure(key, title, pass_, device, amp, seconds, folder):
    row = {'workload': key, 'title': title, 'pass': pass_, 'device': device, 'precision': 'amp' if amp else 'f32'}
    wanted = read_reference(folder, key)
    row['reference'] = 'run.js' if wanted else 'torch float64'
    if wanted is None:
        exact = make(key, pass_, 'cpu', torch.float64, False)
        exact.run()
        wanted = exact.results()
    wanted = {name: value for name, value in wanted.items() if name != 'loss2' and (pass_ != 'forward' or name == 'y')}
    prepared = make(key, pass_, device, torch.float32, amp)
    synchronize(device)
    row['firstCall'] = time_once(prepared, device)
    row['relativeL2'] = worst_error(prepared.results(), wanted)
    tolerance = AMP_TOLERANCE if amp else STEP_TOLERANCE if pass_ == 'step' else FLOAT32_TOLERANCE
    if not row['relativeL2'] <= tolerance:
        return {**row, 'status': 'broken', 'reason': f"off by {row['relativeL2']:.1e} of its norm"}
    for _ in range(2):
        time_once(prepared, device)
    samples, end = [], time.perf_counter() + seconds
    while len(samples) < 5 or (time.perf_counter() < end and len(samples) < 200):
        samples.append(time_once(prepared, device))
    return {**row, 'status': 'ok', 'median': statistics.median(samples), 'samples': samples}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', choices=['cpu', 'cuda'], help='default: both where there is CUDA')
    parser.add_argument('--workloads', default='', help='only those whose key or title contains it')
    parser.add_argument('--seconds', type=float, default=2.0, help='time for the samples of a row')
    parser.add_argument('--json', type=Path, help='write all samples to this file')
    parser.add_argument('--reference', type=Path, help="the folder with run.js's references (.cache/peers)")
    options = parser.parse_args()

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    settings = [('cpu', False)] if options.device != 'cuda' else []
    if options.device != 'cpu' and torch.cuda.is_available():
        settings += [('cuda', False), ('cuda', True)]
    if not settings:
        sys.exit('torch.py: this PyTorch sees no CUDA device')
    rows = [(spec['key'], spec['title'], pass_) for spec in WORKLOADS for pass_ in ('forward', 'both')]
    rows.append(('convnext-atto-step', 'ConvNeXt-atto training step, 128x128, batch 8', 'step'))
    rows = [row for row in rows if options.workloads.lower() in f'{row[0]} {row[1].lower()}']

    info = {
        'torch': torch.__version__,
        'python': platform.python_version(),
        'threads': torch.get_num_threads(),
        'cuda': torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        'tf32': False,
    }
    results = []
    titles = [f"{device} {'AMP' if amp else 'f32'}" for device, amp in settings]
    print('PyTorch ' + ', '.join(f'{name} {value}' for name, value in info.items()) + '\n')
    print('| workload | pass | ' + ' | '.join(f'{title}, ms' for title in titles) + ' |')
    print('| --- | --- | ' + ' | '.join('---:' for _ in titles) + ' |')
    for key, title, pass_ in rows:
        cells = []
        for device, amp in settings:
            try:
                row = measure(key, title, pass_, device, amp, options.seconds, options.reference)
            except RuntimeError as error:
                row = {'workload': key, 'pass': pass_, 'device': device, 'status': 'failed', 'reason': str(error)}
            results.append(row)
            cells.append(f"{row['median']:.3f}" if row['status'] == 'ok' else f"{row['status']}: {row['reason']}")
        print(f'| {title} | {pass_} | ' + ' | '.join(cells) + ' |', flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({'info': info, 'rows': results}, indent=1) + '\n')


if __name__ == '__main__':
    main()
