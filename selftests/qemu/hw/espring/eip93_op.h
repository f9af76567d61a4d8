/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SafeXcel EIP-93: what the basic and the ESP operations share.
 */
#ifndef HW_ESPRING_EIP93_OP_H
#define HW_ESPRING_EIP93_OP_H

#include "eip93.h"
#include "eip93_crypto.h"

/* These return 0 or the status bits of what is wrong */
uint32_t eip93_load_cipher(EIP93Op *op, EIP93Cipher *c, bool encrypt);
uint32_t eip93_load_hash(EIP93Op *op, EIP93Hash *h);
uint32_t eip93_read_input(EIP93Op *op, size_t extra);
uint32_t eip93_write_output(EIP93Op *op);
uint32_t eip93_save_state(EIP93Op *op, const EIP93Cipher *c,
                          uint64_t bytes, const uint32_t *digest);

/* Length of the ICV in bytes, as the SA record has it */
uint32_t eip93_icv_len(EIP93Op *op);
/* The digest, HMAC's outer hash included if the SA record wants it */
void eip93_finish_hash(EIP93Op *op, EIP93Hash *h, uint32_t *digest);

#endif
