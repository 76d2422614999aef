#!/usr/bin/env node
/** The program `gmtl`. */
import { hideBin } from 'yargs/helpers';
import { gmtl } from './gmtl.ts';
import { surviveUnwritableOutput } from './stopping.ts';

surviveUnwritableOutput();
await gmtl(hideBin(process.argv));
