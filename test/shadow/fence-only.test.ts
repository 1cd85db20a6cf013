// SPDX-License-Identifier: GPL-2.0-only
/** The same on a machine whose caches are durable (eADR): only what passes them by has to be fenced. */
import { explorePowerFailures } from '../support/shadow/explore.js'

await explorePowerFailures('fence-only')
