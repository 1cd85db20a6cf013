// SPDX-License-Identifier: GPL-2.0-only
/** The same on a device behind the page cache: a page is durable once a sync of the device has returned. */
import { explorePowerFailures } from '../support/shadow/explore.js'

await explorePowerFailures('pages')
