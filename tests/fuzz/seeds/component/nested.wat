(component
  (component $inner
    (core module (memory 1 2) (func (i32.store (i32.const 0) (i32.const 1))))
    (core instance (instantiate 0)))
  (instance (instantiate $inner))
  (type $t (resource (rep i32)))
  (core func (canon resource.new $t)))
