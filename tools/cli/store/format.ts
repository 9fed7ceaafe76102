/** Numbers and values for people, as the pages show them, too. */
export * from '../../view/parts/field-text.ts';
export * from '../../view/parts/format.ts';
