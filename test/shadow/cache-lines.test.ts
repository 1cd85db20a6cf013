// SPDX-License-Identifier: GPL-2.0-only
/** Power lost on memory of which a flushed cache line is durable, under the medium and the native helper of a mount. */
import { explorePowerFailures } from '../support/shadow/explore.js'

await explorePowerFailures('cache-lines')
