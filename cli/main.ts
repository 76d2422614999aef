#!/usr/bin/env node
/** The program `gmtl`. */
import { hideBin } from 'yargs/helpers';
import { gmtl } from './gmtl.ts';
import { surviveClosedPipes } from './stopping.ts';

surviveClosedPipes();
await gmtl(hideBin(process.argv));
