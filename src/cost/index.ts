/** `llmswap/cost`: the public names, nothing else. */

export { catalog, createCatalog, estimate, price } from './catalog.ts'
export type { Catalog, PriceLookup } from './catalog.ts'
export type { CatalogRow, PriceOptions, Rates } from './price.ts'
