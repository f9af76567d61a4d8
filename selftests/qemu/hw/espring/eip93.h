/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SafeXcel EIP-93 packet engine, as found in the MT7621 and in Airoha's EN7581.
 *
 * The register map and the layout of descriptors and records are those that
 * the drivers in public use rely on; what is guessed beyond them is listed in
 * selftests/qemu/README.md.
 */
#ifndef HW_ESPRING_EIP93_H
#define HW_ESPRING_EIP93_H

#include "hw/sysbus.h"
#include "hw/registerfields.h"
#include "qom/object.h"

#define TYPE_EIP93 "eip93"
OBJECT_DECLARE_SIMPLE_TYPE(EIP93State, EIP93)

#define EIP93_REGS_SIZE         0x1000
#define EIP93_CTL_SIZE          0x1000

/* Registers of the engine */
REG32(CDR_BASE, 0x080)
REG32(RDR_BASE, 0x084)
REG32(RING_CONFIG, 0x088)
    FIELD(RING_CONFIG, SIZE, 0, 10)             /* entries less one */
    FIELD(RING_CONFIG, OFFSET, 16, 8)           /* words, old revisions */
REG32(RING_THRESH, 0x08c)
    FIELD(RING_THRESH, CDR, 0, 10)
    FIELD(RING_THRESH, RDR, 16, 10)
    FIELD(RING_THRESH, TIMEOUT, 26, 4)          /* 2^(N + 10) clocks */
    FIELD(RING_THRESH, TIMEOUT_EN, 31, 1)
REG32(CD_COUNT, 0x090)
REG32(RD_COUNT, 0x094)
REG32(RING_PNTR, 0x098)
REG32(PE_CONFIG, 0x100)
    FIELD(PE_CONFIG, RST_PE, 0, 1)
    FIELD(PE_CONFIG, RST_RING, 1, 1)
    FIELD(PE_CONFIG, MODE, 8, 2)
    FIELD(PE_CONFIG, CDR_UPDATE, 10, 1)
    FIELD(PE_CONFIG, SWAP_CDRD, 16, 1)
    FIELD(PE_CONFIG, SWAP_SA, 17, 1)
    FIELD(PE_CONFIG, SWAP_DATA, 18, 1)
REG32(PE_STATUS, 0x104)
REG32(BUF_THRESH, 0x10c)
REG32(CLOCK_CTRL, 0x1e8)
    FIELD(CLOCK_CTRL, PE, 0, 1)
    FIELD(CLOCK_CTRL, DES, 1, 1)
    FIELD(CLOCK_CTRL, AES, 2, 1)
    FIELD(CLOCK_CTRL, HASH, 4, 1)
REG32(OPTION_1, 0x1f4)
    FIELD(OPTION_1, DES, 0, 1)
    FIELD(OPTION_1, AES, 2, 1)
    FIELD(OPTION_1, AES_KEYS, 13, 3)            /* 128, 192, 256 */
    FIELD(OPTION_1, HASHES, 16, 4)              /* MD5, SHA-1, -224, -256 */
REG32(OPTION_0, 0x1f8)
REG32(REVISION, 0x1fc)
REG32(INT_RAW, 0x200)
REG32(INT_MASKED, 0x204)                        /* write: clear */
REG32(INT_MASK, 0x208)
REG32(INT_CFG, 0x20c)
    FIELD(INT_CFG, PULSE, 0, 1)
REG32(MASK_SET, 0x210)
REG32(MASK_CLR, 0x214)
REG32(PRNG_STAT, 0x300)
REG32(PRNG_CTRL, 0x304)
REG32(PRNG_SEED0, 0x308)
REG32(PRNG_KEY0, 0x318)
REG32(PRNG_RES0, 0x328)
REG32(PRNG_LFSR0, 0x338)

#define EIP93_MODE_AUTO_RING    3
#define EIP93_COUNT_MAX         0xff            /* added by one write */

#define EIP93_INT_CDR_THRESH    (1u << 0)
#define EIP93_INT_RDR_THRESH    (1u << 1)
#define EIP93_INT_OP_DONE       (1u << 9)
#define EIP93_INT_RING_ERR      (1u << 16)
#define EIP93_INT_PROC_ERR      (1u << 17)
#define EIP93_INT_IF_ERR        (1u << 18)
#define EIP93_INT_ALL           0x00078e03

/* Descriptor: eight words, the same in both rings */
#define EIP93_DESC_WORDS        8
#define EIP93_DESC_SIZE         (4 * EIP93_DESC_WORDS)
enum {
    DESC_CTRL, DESC_SRC, DESC_DST, DESC_SA, DESC_STATE, DESC_ARC4, DESC_USER,
    DESC_LENGTH,
};
#define EIP93_OWN_HOST          1
#define EIP93_OWN_ENGINE        2

FIELD(CTRL, OWN, 0, 2)
FIELD(CTRL, HASH_FINAL, 4, 1)
FIELD(CTRL, PRNG_MODE, 6, 2)
FIELD(CTRL, PAD_VALUE, 8, 8)
FIELD(CTRL, STATUS, 16, 8)
FIELD(CTRL, PAD_CTRL, 24, 8)
FIELD(LENGTH, BYTES, 0, 20)
FIELD(LENGTH, OWN, 22, 2)
FIELD(LENGTH, BYPASS, 24, 8)

/* The status byte, in its place within the control word */
#define EIP93_ST_AUTH           (1u << 16)
#define EIP93_ST_PAD            (1u << 17)
#define EIP93_ST_SEQ            (1u << 18)
#define EIP93_ST_EXT            (1u << 19)
#define EIP93_ERR(code)         (EIP93_ST_EXT | ((code) << 20))
enum {
    EIP93_ERR_BUS, EIP93_ERR_OWNER, EIP93_ERR_OP, EIP93_ERR_ALG, EIP93_ERR_SPI,
    EIP93_ERR_ZERO, EIP93_ERR_PKT_LENGTH, EIP93_ERR_BLOCK, EIP93_ERR_PROC,
};

/* SA record: 32 words */
#define EIP93_SA_SIZE           128
#define SA_CMD0                 0
#define SA_CMD1                 4
#define SA_KEY                  8
#define SA_INNER                40
#define SA_OUTER                72
#define SA_SPI                  104
#define SA_SEQ                  108
#define SA_SEQ_MASK             116
#define SA_NONCE                124

FIELD(CMD0, OPCODE, 0, 3)
FIELD(CMD0, INBOUND, 3, 1)
FIELD(CMD0, GROUP, 4, 2)
FIELD(CMD0, PAD_TYPE, 6, 2)
FIELD(CMD0, CIPHER, 8, 4)
FIELD(CMD0, HASH, 12, 4)
FIELD(CMD0, PAD_STREAM, 17, 1)
FIELD(CMD0, HEADER, 19, 1)
FIELD(CMD0, DIGEST_WORDS, 20, 4)
FIELD(CMD0, IV_SOURCE, 24, 2)
FIELD(CMD0, HASH_SOURCE, 26, 2)
FIELD(CMD0, SAVE_IV, 28, 1)
FIELD(CMD0, SAVE_HASH, 29, 1)
FIELD(CMD1, COPY_DIGEST, 0, 1)
FIELD(CMD1, COPY_HEADER, 1, 1)
FIELD(CMD1, COPY_PAYLOAD, 2, 1)
FIELD(CMD1, COPY_PAD, 3, 1)
FIELD(CMD1, MODE, 8, 2)
FIELD(CMD1, HMAC, 12, 1)
FIELD(CMD1, OFFSET_BYTES, 13, 1)
FIELD(CMD1, OFFSET, 16, 8)
FIELD(CMD1, AES_KEY, 24, 3)
FIELD(CMD1, DEC_KEY, 28, 1)
FIELD(CMD1, SEQ_CHECK, 29, 1)

#define GROUP_BASIC             0
#define GROUP_PROTOCOL          1
#define OP_CRYPT                0
#define OP_CRYPT_HASH           1
#define OP_HASH                 3
#define OP_PRNG                 7
#define OP_ESP                  0
#define IV_KEEP                 0
#define IV_INPUT                1
#define IV_STATE                2
#define IV_PRNG                 3
#define HASH_SA                 0
#define HASH_STATE              2
#define HASH_INIT               3

/* State record */
#define EIP93_STATE_SIZE        56
#define STATE_IV                0
#define STATE_COUNT             16
#define STATE_DIGEST            24

/* A descriptor's length field and room for what an operation adds to it */
#define EIP93_LENGTH_MAX        0xfffff
#define EIP93_BUF_SIZE          (EIP93_LENGTH_MAX + 4096)

/* What the model counts; the order is that of the control block */
typedef struct EIP93Stats {
    uint64_t reg_reads;
    uint64_t reg_writes;
    uint64_t doorbells;             /* writes to CD_COUNT */
    uint64_t acks;                  /* writes to RD_COUNT */
    uint64_t irqs;                  /* rising edges of the line */
    uint64_t desc_out;
    uint64_t desc_in;
    uint64_t bytes_out;
    uint64_t bytes_in;
    uint64_t errors;                /* results with an extended error */
    uint64_t auth_errors;
    uint64_t faults;                /* times that a commanded fault struck */
    uint64_t busy_ns;
} EIP93Stats;
#define EIP93_STATS             (sizeof(EIP93Stats) / sizeof(uint64_t))

/* Commanded faults; 0 is none. The order is that of the control block. */
typedef struct EIP93Faults {
    uint32_t hang_after;            /* stop when that many more are done */
    uint32_t hang_sticky;           /* a reset does not help */
    uint32_t lose_irq;              /* swallow that many interrupts */
    uint32_t spurious_irq;          /* raise that many without a reason */
    uint32_t bus_error;             /* the next N descriptors */
    uint32_t wrong_icv;             /* the next N digests */
    uint32_t slow;                  /* factor on all costs, 0 is 1 */
    uint32_t count_add;             /* added to what RD_COUNT reads */
    uint32_t count_early;           /* the next N results are counted first */
    uint32_t gone;                  /* reads all ones, does nothing */
} EIP93Faults;
#define EIP93_FAULTS            (sizeof(EIP93Faults) / sizeof(uint32_t))

typedef struct EIP93Prng {
    uint8_t key[16];
    uint8_t seed[16];
    uint8_t time[16];
} EIP93Prng;

struct EIP93State {
    SysBusDevice parent_obj;

    MemoryRegion regs;
    MemoryRegion ctl;
    qemu_irq irq;
    QEMUTimer *work;                /* the descriptor at work is done */
    QEMUTimer *rd_timeout;

    /* properties */
    uint32_t option_0;
    uint32_t option_1;
    uint32_t revision;
    uint32_t endian_offset;
    uint32_t clock_hz;
    uint32_t desc_ns;
    uint64_t bytes_per_second;

    /* registers */
    uint32_t cdr_base, rdr_base;
    uint32_t ring_config, ring_thresh;
    uint32_t pe_config, buf_thresh, endian, clocks;
    uint32_t int_raw, int_mask, int_cfg;
    uint32_t cd_count, rd_count;
    uint32_t cdr_index, rdr_index;
    uint32_t prng_ctrl, prng_result[4];

    /* the descriptor at work */
    bool busy;
    bool counted;                   /* by the count_early fault */
    bool hung;
    bool stuck;                     /* a unit without its clock */
    bool irq_level, irq_lost, irq_false;
    int64_t done_at;                /* ns on the virtual clock */
    uint32_t desc[EIP93_DESC_WORDS];

    uint8_t last_iv[16];
    EIP93Prng prng;
    EIP93Stats stats;
    EIP93Faults faults;
    uint32_t stat_high;             /* latched with the low word */
    uint8_t *in, *out;
};

/* One operation: a descriptor with its records, while it is executed */
typedef struct EIP93Op {
    EIP93State *s;
    uint32_t *desc;
    uint32_t cmd0, cmd1;
    uint32_t length, bypass;
    uint8_t sa[EIP93_SA_SIZE];
    uint32_t out_len;
    uint32_t status;
} EIP93Op;

/* eip93.c: registers and rings */
void eip93_reset_registers(EIP93State *s);
void eip93_reset_engine(EIP93State *s);
void eip93_run(EIP93State *s);
void eip93_update_irq(EIP93State *s);

/* eip93_desc.c: one descriptor */
void eip93_execute(EIP93State *s, uint32_t *desc);
bool eip93_dma_read(EIP93State *s, uint32_t addr, void *buf, size_t len,
                    bool swap);
bool eip93_dma_write(EIP93State *s, uint32_t addr, const void *buf, size_t len,
                     bool swap);

/* eip93_esp.c: the ESP opcodes */
uint32_t eip93_esp_out(EIP93Op *op);
uint32_t eip93_esp_in(EIP93Op *op);

/* eip93_prng.c */
void eip93_prng_reset(EIP93State *s);
void eip93_prng_generate(EIP93Prng *p, uint8_t *buf, size_t len);
uint32_t eip93_prng_op(EIP93Op *op);
uint32_t eip93_prng_read(EIP93State *s, hwaddr addr);
void eip93_prng_write(EIP93State *s, hwaddr addr, uint32_t val);

/* eip93_ctl.c: faults, counters, cost */
extern const MemoryRegionOps eip93_ctl_ops;
void eip93_add_properties(EIP93State *s);
bool eip93_strikes(EIP93State *s, uint32_t *fault);
int64_t eip93_cost(EIP93State *s, const uint32_t *desc);

#endif
