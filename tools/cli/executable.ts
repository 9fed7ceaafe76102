#!/usr/bin/env node
/** The executable. What it runs is loaded when compiled code is kept: only what is loaded later can come from there. */
import module from 'node:module';

if ('enableCompileCache' in module) (await import('./code-cache.ts')).keepCompiledCode();
const { main } = await import('./main.ts');
await main();
