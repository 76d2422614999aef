/** Masks as a DICOM Segmentation. */
import { STRUCTURE_NAMES, STRUCTURES, type Structure } from '../domain.ts';
import {
  code,
  type DicomDataset,
  DISCLAIMER,
  documentHead,
  type DocumentSource,
  LATERALITY,
  newUid,
  photographReference,
  withoutFrame,
} from './dicomDocument.ts';
import type { StructureRecord } from './result.ts';

const SEGMENTATION_CLASS = '1.2.840.10008.5.1.4.1.1.66.4';

const ALTERED = code('49755003', 'SCT', 'Morphologically Altered Structure');
const ANATOMY = code('123037004', 'SCT', 'Anatomical Structure');
const EYE = code('81745001', 'SCT', 'Eye');

function segment(
  structure: Structure,
  number: number,
  { provenance: { model }, inferred }: DocumentSource,
): DicomDataset {
  const laterality = inferred.result.dicom?.laterality;
  return {
    SegmentNumber: number,
    SegmentLabel: STRUCTURE_NAMES[structure],
    SegmentDescription: DISCLAIMER,
    SegmentAlgorithmType: 'AUTOMATIC',
    SegmentAlgorithmName: `gmtl ${model}`,
    SegmentedPropertyCategoryCodeSequence: [structure === 'OD' ? ANATOMY : ALTERED],
    SegmentedPropertyTypeCodeSequence: [code(structure, '99GMTL', STRUCTURE_NAMES[structure])],
    AnatomicRegionSequence: [
      { ...EYE, ...(laterality && { AnatomicRegionModifierSequence: [LATERALITY[laterality]] }) },
    ],
  };
}

/**
 * Masks as a Segmentation (PS3.3 A.51): one segment and one frame for each structure, in the order of {@link STRUCTURES}, a bit per pixel.
 *
 * @param pack packs pixels of 0 and 1 into bits, first pixel lowest.
 */
export function segmentationDataset(
  from: DocumentSource,
  masks: StructureRecord<Uint8Array>,
  pack: (pixels: Uint8Array) => Uint8Array,
  now = new Date(),
): DicomDataset {
  const { source, inferred } = from;
  const { width, height } = inferred.image;
  const present = STRUCTURES.filter((structure) => masks[structure] !== undefined);
  const pixels = new Uint8Array(present.length * width * height);
  for (const [index, structure] of present.entries()) pixels.set(masks[structure]!, index * width * height);
  const packed = pack(pixels);
  const even = new Uint8Array(packed.length + (packed.length % 2));
  even.set(packed);
  const lossy = source.LossyImageCompression === '01';
  const spacing = inferred.result.dicom?.pixelSpacing;
  const organization = newUid();
  return {
    ...documentHead(from, SEGMENTATION_CLASS, 'SEG', now),
    ImageType: ['DERIVED', 'PRIMARY'],
    PatientOrientation: '',
    ContentLabel: 'RETINA',
    ContentDescription: 'Lesions and optic disc of the retina',
    ContentCreatorName: 'gmtl',
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    NumberOfFrames: present.length,
    Rows: height,
    Columns: width,
    BitsAllocated: 1,
    BitsStored: 1,
    HighBit: 0,
    PixelRepresentation: 0,
    LossyImageCompression: lossy ? '01' : '00',
    ...(lossy && {
      LossyImageCompressionRatio: source.LossyImageCompressionRatio ?? 1,
      LossyImageCompressionMethod: source.LossyImageCompressionMethod ?? 'ISO_10918_1',
    }),
    SegmentationType: 'BINARY',
    SegmentSequence: present.map((structure, index) => segment(structure, index + 1, from)),
    ReferencedSeriesSequence: [
      {
        SeriesInstanceUID: source.SeriesInstanceUID,
        ReferencedInstanceSequence: [photographReference({ ...from, frame: 1 })].map(withoutFrame),
      },
    ],
    DimensionOrganizationSequence: [{ DimensionOrganizationUID: organization }],
    DimensionIndexSequence: [
      {
        DimensionOrganizationUID: organization,
        DimensionIndexPointer: '0062000B',
        FunctionalGroupPointer: '0062000A',
        DimensionDescriptionLabel: 'Segment',
      },
    ],
    SharedFunctionalGroupsSequence: [
      {
        ...(spacing && { PixelMeasuresSequence: [{ PixelSpacing: [...spacing], SliceThickness: 1 }] }),
        DerivationImageSequence: [
          {
            DerivationCodeSequence: [code('113076', 'DCM', 'Segmentation')],
            SourceImageSequence: [
              {
                ...photographReference(from),
                SpatialLocationsPreserved: 'YES',
                PurposeOfReferenceCodeSequence: [code('121322', 'DCM', 'Source image for image processing operation')],
              },
            ],
          },
        ],
      },
    ],
    PerFrameFunctionalGroupsSequence: present.map((_, index) => ({
      FrameContentSequence: [{ DimensionIndexValues: [index + 1] }],
      SegmentIdentificationSequence: [{ ReferencedSegmentNumber: index + 1 }],
    })),
    PixelData: [even.buffer],
    _vrMap: { PixelData: 'OB' },
  };
}
