/** The ConvNeXt-gated network as PyTorch code, for `--format torch`. */

export const TORCH_CONVNEXT = `
def perceptron(inputs, hidden, outputs):
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(CONFIG['head_dropout']), nn.Linear(hidden, outputs))


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of NCHW maps."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Mlp(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class ConvNeXtBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv_dw = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = Mlp(channels)
        self.gamma = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        y = self.gamma * self.mlp(self.norm(self.conv_dw(x).permute(0, 2, 3, 1)))
        return x + y.permute(0, 3, 1, 2)


class Stage(nn.Module):
    def __init__(self, inputs, outputs, depth, first):
        super().__init__()
        self.downsample = nn.Identity() if first else nn.Sequential(LayerNorm2d(inputs, eps=1e-6), nn.Conv2d(inputs, outputs, 2, 2))
        self.blocks = nn.Sequential(*(ConvNeXtBlock(outputs) for _ in range(depth)))

    def forward(self, x):
        return self.blocks(self.downsample(x))


class ConvNeXt(nn.Module):
    def __init__(self, depths, dims, head_norm):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, dims[0], 4, 4), LayerNorm2d(dims[0], eps=1e-6))
        inputs = (dims[0], *dims[:-1])
        self.stages = nn.ModuleList(Stage(i, o, d, n == 0) for n, (i, o, d) in enumerate(zip(inputs, dims, depths)))
        self.head = nn.ModuleDict({'norm': nn.LayerNorm(dims[-1], eps=1e-6)} if head_norm else {})

    def forward(self, x):
        features, x = [], self.stem(x)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        pooled = x.mean((2, 3))
        return features, self.head['norm'](pooled) if 'norm' in self.head else pooled


DECODER_NORMS = {'batch': nn.BatchNorm2d, 'layer': lambda channels: LayerNorm2d(channels, eps=1e-6), 'none': lambda channels: nn.Identity()}


class DecoderBlock(nn.Module):
    def __init__(self, inputs, skip, outputs):
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, outputs, 2, 2)
        self.conv = nn.Conv2d(outputs + skip, outputs, 3, padding=1)
        self.norm = DECODER_NORMS[CONFIG['decoder_norm']](outputs)
        self.dropout = nn.Dropout2d(CONFIG['decoder_dropout'])

    def forward(self, x, skip):
        x = F.relu(self.up(x))
        return self.dropout(F.relu(self.norm(self.conv(x if skip is None else torch.cat([x, skip], 1)))))


class Decoder(nn.Module):
    def __init__(self, features, channels, masks):
        super().__init__()
        coarse = features[::-1]
        skips = [*coarse[1:], 0] if CONFIG['skip_connections'] else [0] * len(channels)
        inputs = [coarse[0], *channels]
        self.blocks = nn.ModuleList(DecoderBlock(*sizes) for sizes in zip(inputs, skips, channels))
        self.head = nn.Conv2d(channels[-1], masks, 1)

    def forward(self, features, size):
        x, *finer = features[::-1]
        skips = [*finer, None] if CONFIG['skip_connections'] else [None] * len(self.blocks)
        for block, skip in zip(self.blocks, skips):
            x = block(x, skip)
        return F.interpolate(self.head(x), size=size, mode='bilinear', align_corners=False)


class Network(nn.Module):
    """A shared trunk; a gate that tells tasks apart; a mask decoder; grading heads."""

    def __init__(self):
        super().__init__()
        dims, outputs = CONFIG['dims'], CONFIG['grade_outputs']
        self.trunk = ConvNeXt(CONFIG['depths'], dims, CONFIG['head_norm'])
        self.gate = perceptron(gate_inputs(dims[-1]), CONFIG['gate_hidden'], 2)
        self.decoder = Decoder(dims, CONFIG['decoder_channels'], CONFIG['masks'])
        self.grader = stage_pool(dims)
        graded = self.grader.out_features if self.grader else dims[-1]
        self.retino = perceptron(graded, CONFIG['retinopathy_hidden'], outputs['retinopathy']) if 'retinopathy' in outputs else None
        self.edema = perceptron(graded, CONFIG['edema_hidden'], outputs['edema']) if 'edema' in outputs else None

    def encode(self, x):
        return self.trunk(x)

    def gate_logits(self, x):
        return self.gate(x)

    def decode(self, features, size):
        return self.decoder(features, size)

    def grade_features(self, features, pooled, masks):
        return self.grader(features, masks) if self.grader else pooled
`;
