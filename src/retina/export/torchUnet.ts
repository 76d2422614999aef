/** The ResNet U-Net with a router as PyTorch code, for `--format torch`. */

export const TORCH_UNET = `
class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.downsample = None if same else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, depths, widths):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        inputs = widths[0]
        for stage, (depth, width) in enumerate(zip(depths, widths)):
            blocks = []
            for position in range(depth):
                blocks.append(BasicBlock(inputs, width, 2 if stage > 0 and position == 0 else 1))
                inputs = width
            setattr(self, f'layer{stage + 1}', nn.Sequential(*blocks))

    def forward(self, x):
        features = [F.relu(self.bn1(self.conv1(x)))]
        x = F.max_pool2d(features[0], 3, 2, 1)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            features.append(x)
        return features


def conv_bn_relu(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class DecoderBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = conv_bn_relu(inputs, outputs)
        self.conv2 = conv_bn_relu(outputs, outputs)

    def forward(self, x, skip, size):
        x = F.interpolate(x, size=size, mode='nearest')
        return self.conv2(self.conv1(x if skip is None else torch.cat([x, skip], 1)))


class Decoder(nn.Module):
    def __init__(self, encoder, channels):
        super().__init__()
        coarse = encoder[::-1]
        sizes = zip([coarse[0], *channels], [*coarse[1:], 0], channels)
        self.blocks = nn.ModuleList(DecoderBlock(inputs + skip, outputs) for inputs, skip, outputs in sizes)

    def forward(self, features, size):
        x, *finer = features[::-1]
        for block, skip in zip(self.blocks, [*finer, None]):
            x = block(x, skip, size if skip is None else skip.shape[2:])
        return x


class Mixture(nn.Module):
    """Four convolution experts under a softmax gate."""

    def __init__(self, channels):
        super().__init__()
        self.gate = nn.Linear(channels, 4)
        self.experts = nn.ModuleList(nn.Sequential(*self.half(channels), *self.half(channels)) for _ in range(4))

    @staticmethod
    def half(channels):
        return nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(), nn.Dropout2d(CONFIG['expert_dropout'])

    def forward(self, x):
        weights = torch.softmax(self.gate(x.mean((2, 3))), 1)
        return sum(expert(x) * weights[:, index].view(-1, 1, 1, 1) for index, expert in enumerate(self.experts))


class Network(nn.Module):
    """A ResNet U-Net for the masks; grading heads; a router that tells tasks apart."""

    def __init__(self):
        super().__init__()
        widths, outputs = CONFIG['widths'], CONFIG['grade_outputs']
        maps = [widths[0], *widths]
        self.encoder = ResNet(CONFIG['depths'], widths)
        self.decoder = Decoder(maps, CONFIG['decoder_channels'])
        self.segmentation_head = nn.Sequential(nn.Conv2d(CONFIG['decoder_channels'][-1], CONFIG['masks'], 3, padding=1))
        self.mixture = Mixture(widths[-1]) if CONFIG['experts'] else None
        self.grader = stage_pool(maps)
        graded = self.grader.out_features if self.grader else widths[-1]
        self.retino = nn.Sequential(nn.Linear(graded, outputs['retinopathy'])) if 'retinopathy' in outputs else None
        self.edema = nn.Sequential(nn.Linear(graded, outputs['edema'])) if 'edema' in outputs else None
        self.router = nn.Sequential(nn.Dropout(CONFIG['router_dropout']), nn.Linear(gate_inputs(widths[-1]), 2))

    def encode(self, x):
        features = self.encoder(x)
        return features, features[-1].mean((2, 3))

    def gate_logits(self, x):
        return self.router(x)

    def decode(self, features, size):
        return self.segmentation_head(self.decoder(features, size))

    def grade_features(self, features, pooled, masks):
        if self.grader:
            return self.grader(features, masks)
        return self.mixture(features[-1]).mean((2, 3)) if self.mixture else pooled
`;
