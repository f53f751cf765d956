#include "net/rate_limit.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"

struct bucket {
    struct bucket *newer, *older; /* by use */
    char *key;
    size_t key_len;
    double tokens;
    int64_t filled_at;
};

struct rate_limit {
    double per_second, burst;
    size_t keys;
    struct map *buckets;
    struct bucket *newest, *oldest;
};

struct rate_limit *rate_limit_new(double per_second, double burst, size_t keys)
{
    struct rate_limit *limit = mem_zalloc(1, sizeof *limit);
    *limit = (struct rate_limit){.per_second = per_second, .burst = burst, .keys = keys};
    limit->buckets = map_new();
    return limit;
}

static void bucket_free(void *arg)
{
    struct bucket *bucket = arg;
    free(bucket->key);
    free(bucket);
}

void rate_limit_free(struct rate_limit *limit)
{
    if (!limit)
        return;
    map_free(limit->buckets, bucket_free);
    free(limit);
}

static void unlink_bucket(struct rate_limit *limit, struct bucket *bucket)
{
    *(bucket->newer ? &bucket->newer->older : &limit->newest) = bucket->older;
    *(bucket->older ? &bucket->older->newer : &limit->oldest) = bucket->newer;
}

static void link_newest(struct rate_limit *limit, struct bucket *bucket)
{
    bucket->newer = NULL;
    bucket->older = limit->newest;
    *(limit->newest ? &limit->newest->newer : &limit->oldest) = bucket;
    limit->newest = bucket;
}

static void forget_oldest(struct rate_limit *limit)
{
    struct bucket *bucket = limit->oldest;
    unlink_bucket(limit, bucket);
    map_take(limit->buckets, (struct str){bucket->key, bucket->key_len});
    bucket_free(bucket);
}

static struct bucket *bucket_of(struct rate_limit *limit, struct str key, int64_t now_ns)
{
    struct bucket *bucket = map_get(limit->buckets, key);
    if (bucket) {
        unlink_bucket(limit, bucket);
        link_newest(limit, bucket);
        return bucket;
    }
    if (map_count(limit->buckets) >= limit->keys && limit->oldest)
        forget_oldest(limit);
    bucket = mem_alloc(sizeof *bucket);
    *bucket = (struct bucket){
        .key = mem_dup(key.ptr, key.len), .key_len = key.len, .tokens = limit->burst, .filled_at = now_ns};
    map_put(limit->buckets, key, bucket);
    link_newest(limit, bucket);
    return bucket;
}

int64_t rate_limit_take(struct rate_limit *limit, struct str key, double cost, int64_t now_ns)
{
    struct bucket *bucket = bucket_of(limit, key, now_ns);
    if (now_ns > bucket->filled_at) {
        bucket->tokens += (double)(now_ns - bucket->filled_at) / (double)NS_PER_S * limit->per_second;
        bucket->tokens = bucket->tokens < limit->burst ? bucket->tokens : limit->burst;
        bucket->filled_at = now_ns;
    }
    /* What costs more than the bucket holds is let through where it is full: it would never be otherwise. */
    double needed = cost < limit->burst ? cost : limit->burst;
    if (bucket->tokens >= needed) {
        bucket->tokens -= cost;
        return 0;
    }
    return (int64_t)ceil((needed - bucket->tokens) / limit->per_second * (double)NS_PER_S);
}
