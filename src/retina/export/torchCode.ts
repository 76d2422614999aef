/** The PyTorch code that `--format torch` writes: one file that holds the network, reads its weights and runs it. */
import type { TrainConfig } from '../config/schema.ts';
import { TORCH_CONVNEXT } from './torchConvnext.ts';
import { TORCH_UNET } from './torchUnet.ts';

/** What the generated file's CONFIG may hold. */
export type TorchSetting =
  | string
  | number
  | boolean
  | readonly TorchSetting[]
  | { readonly [name: string]: TorchSetting };

/** What both architectures share: reading weights, pooled stages, grades from logits. */
const COMMON = `
def load_safetensors(path):
    """Tensors by name. The format: the header's length, a JSON header, the tensors' bytes."""
    data = Path(path).read_bytes()
    (length,) = struct.unpack('<Q', data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop('__metadata__', None)
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry['data_offsets'])
        array = np.frombuffer(data[start:end], {'F32': np.float32, 'I64': np.int64}[entry['dtype']])
        tensors[name] = torch.from_numpy(array.reshape(entry['shape']).copy())
    return tensors


def findings(mask_logits):
    """What masks find: the largest logit of each structure, and how much of the picture it covers."""
    share = torch.log(torch.sigmoid(mask_logits).mean((2, 3)) + 1e-3) + 5
    return torch.cat([0.25 * mask_logits.amax((2, 3)), share], 1)


class StagePool(nn.Module):
    """What grading heads see beyond the last stage: mean and maximum of every stage's map, normalized; what the masks find."""

    def __init__(self, channels, masks):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(2 * count, eps=1e-6) for count in channels)
        self.out_features = sum(2 * count for count in channels) + 2 * masks
        self.reads_masks = masks > 0

    def forward(self, features, mask_logits):
        parts = [norm(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)) for norm, x in zip(self.norms, features)]
        return torch.cat([*parts, findings(mask_logits)] if self.reads_masks else parts, 1)


def stage_pool(channels):
    """The pool that CONFIG asks for; None where heads see the pooled features of the last stage alone."""
    if CONFIG['grade_features'] == 'pooled':
        return None
    reads = 0 if CONFIG['grade_features'] == 'stages' else CONFIG['masks']
    return StagePool([] if CONFIG['grade_features'] == 'masks' else channels, reads)


def gate_inputs(pooled):
    """How many numbers the gate reads."""
    return 2 * CONFIG['masks'] if CONFIG['gate_features'] == 'masks' else pooled


def grade_probabilities(logits, temperature):
    """Softmax of class logits; of CORN's "above grade k" logits the products of their sigmoids."""
    if not CONFIG['ordinal']:
        return torch.softmax(logits / temperature, 1)
    one = torch.ones_like(logits[:, :1])
    above = torch.cumprod(torch.cat([one, torch.sigmoid(logits)], 1), 1)
    probabilities = above * torch.cat([torch.sigmoid(-logits), one], 1)
    return probabilities if temperature == 1 else torch.softmax(torch.log(probabilities + 2.0**-126) / temperature, 1)

`;

const FORWARD = `
    def forward(self, image):
        """Pictures [N, 3, H, W], RGB in 0 ... 1 -> probabilities by name."""
        mean, std = (torch.tensor(CONFIG[key], dtype=image.dtype, device=image.device).view(1, 3, 1, 1) for key in ('mean', 'std'))
        features, pooled = self.encode((image - mean) / std)
        masks = self.decode(features, image.shape[2:])
        gate_logits = self.gate_logits(findings(masks) if CONFIG['gate_features'] == 'masks' else pooled)
        graded = self.grade_features(features, pooled, masks)
        heads = {'retinopathy': self.retino, 'edema': self.edema}
        grades = {task: head(graded) for task, head in heads.items() if head is not None}
        if CONFIG['soft_routing']:
            gate, prior = torch.softmax(gate_logits, 1), CONFIG['mask_prior_logit']
            masks = prior + (masks - prior) * gate[:, 0].view(-1, 1, 1, 1)
            grades = {task: logits * gate[:, 1:] for task, logits in grades.items()}
        temperatures = CONFIG['temperatures']
        return {
            'mask_probabilities': torch.sigmoid(masks),
            **{f'{task}_probabilities': grade_probabilities(logits, temperatures[task]) for task, logits in grades.items()},
            'gate_probabilities': torch.softmax(gate_logits / temperatures['gate'], 1),
        }
`;

/** A value as Python writes it. */
function python(value: TorchSetting, indent = ''): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return `'${value}'`;
  if (Array.isArray(value)) return `[${value.map((each: TorchSetting) => python(each)).join(', ')}]`;
  const inner = `${indent}    `;
  const entries = Object.entries(value).map(([name, each]) => `${inner}'${name}': ${python(each, inner)},\n`);
  return `{\n${entries.join('')}${indent}}`;
}

/** The file's text: `settings` are its CONFIG, `weights` the name of the safetensors file beside it. */
export function torchCode(
  architecture: TrainConfig['model']['architecture'],
  settings: TorchSetting,
  weights: string,
): string {
  return `"""The network in PyTorch, written by gmtl: needs torch (1.13 or newer) and numpy.

    from network import load
    probabilities = load()(images)    # [N, 3, H, W], RGB in 0 ... 1; heights and widths are multiples of 32

Parameters have the names of gmtl's files, which are timm's, torchvision's or segmentation_models_pytorch's. run.py beside this file prepares a
photograph and prints what the network says of it; model.json has labels, thresholds, preparation and origin.
Dropout is in it; stochastic depth, which only training has, is not.

Research software, not a medical device.
"""
import json
import struct
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

CONFIG = ${python(settings)}

${COMMON}${architecture === 'convnext-gated' ? TORCH_CONVNEXT : TORCH_UNET}${FORWARD}

def load(path=Path(__file__).with_name('${weights}')):
    """The network with its weights, ready for inference. Throws where a tensor is missing, is too many or has another size."""
    network = Network()
    own = network.state_dict()
    # Files keep some matrices as 1x1 convolutions and counters as floats: the same elements under another shape or type.
    tensors = {
        name: tensor.to(own[name].dtype).reshape(own[name].shape) if name in own else tensor
        for name, tensor in load_safetensors(path).items()
    }
    network.load_state_dict(tensors)
    return network.eval()
`;
}
