/** The cache measurement in a worker, so that the page stays awake while it is timed. */
import { measureCache } from './cache-job.ts'
import { serve } from './kit/worker.ts'

serve(measureCache)
