-- Keys that have no order.
-- ends: error "no place in a sorted order"
for _ in pairs({ [{}] = 1 }) do end
